"""Sending a message to a URL that the guard has looked at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexq.errors import NexqError
from nexq.webhooks.guard import Guard, Target

if TYPE_CHECKING:
    import ssl

#: For the whole of one delivery, and for one connection to be made.
TOTAL_S = 15.0
CONNECT_S = 5.0
#: Addresses of one host that are tried.
MOST_ADDRESSES = 3


class SendFailed(NexqError):
    """The message could not be sent."""


class Sender:
    """Posts messages. It follows no redirect, uses no proxy, and reads nothing of an answer but its status."""

    def __init__(self, guard: Guard, *, total_s: float = TOTAL_S) -> None:
        self._guard = guard
        self._total_s = total_s
        self._tls: ssl.SSLContext | None = None

    async def post(self, url: str, headers: dict[str, str], body: bytes) -> int:
        """The status of the answer. Raises NotAllowed, Unresolved, SendFailed."""
        target = await self._guard.look_at(url)
        try:
            async with asyncio.timeout(self._total_s):
                return await self._post(target, headers, body)
        except TimeoutError:
            raise SendFailed(f"No answer within {self._total_s:g} s.") from None

    async def _post(self, target: Target, headers: dict[str, str], body: bytes) -> int:
        # Imported where it is needed: a worker without webhooks starts faster.
        import httpx

        if self._tls is None:
            self._tls = httpx.create_ssl_context()
        headers = {**headers, "host": target.host_header, "connection": "close"}
        timeout = httpx.Timeout(self._total_s, connect=CONNECT_S)
        failure: Exception | None = None
        for address in target.addresses[:MOST_ADDRESSES]:
            # A client for each message: a connection must not serve another name at the same address.
            client = httpx.AsyncClient(verify=self._tls, trust_env=False, follow_redirects=False, timeout=timeout)
            try:
                async with (
                    client,
                    client.stream(
                        "POST",
                        target.url_at(address),
                        headers=headers,
                        content=body,
                        extensions={"sni_hostname": target.place.host},
                    ) as response,
                ):
                    return response.status_code
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                raise SendFailed(_told(error)) from None
        raise SendFailed(_told(failure)) from None


def _told(error: Exception | None) -> str:
    text = str(error)[:200]
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}."
