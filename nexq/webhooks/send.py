"""Sending a message to a URL that the guard has looked at."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from nexq.errors import NexqError
from nexq.outbound.guard import Guard, Target

if TYPE_CHECKING:
    from nexq.outbound.pinned import Pinned

#: For the whole of one delivery.
TOTAL_S = 15.0


class SendFailed(NexqError):
    """The message could not be sent."""


class Sender:
    """Posts messages. It follows no redirect, uses no proxy, and reads nothing of an answer but its status."""

    def __init__(self, guard: Guard, *, total_s: float = TOTAL_S) -> None:
        self._guard = guard
        self._total_s = total_s
        self._client: Pinned | None = None

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

        from nexq.outbound.pinned import Pinned

        if self._client is None:
            self._client = Pinned()
        # Messages are far between: no connection is kept, so there is nothing to close at the end.
        headers = {**headers, "connection": "close"}
        try:
            async with self._client.call("POST", target, headers, body) as response:
                return response.status_code
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            text = str(error)[:200]
            raise SendFailed(f"{type(error).__name__}: {text}" if text else f"{type(error).__name__}.") from None
