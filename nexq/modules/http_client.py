"""The client of `http:request`: guarded, redirects looked at anew, answers kept to a limit."""

from __future__ import annotations

import base64
import contextlib
import zlib
from collections.abc import Callable
from typing import Any

import httpx

from nexq import __version__
from nexq.modules.failures import HttpFailed
from nexq.outbound.guard import Guard, parse_url
from nexq.outbound.pinned import Pinned
from nexq.payload import loads

MOST_REDIRECTS = 5
#: Of the payload's headers, those that go along to another origin: the others may hold secrets.
_TO_OTHERS = frozenset(
    {"accept", "accept-language", "content-type", "accept-encoding", "idempotency-key", "user-agent"}
)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_HEADERS = 100
_MOST_VALUE = 2000


class Caller:
    """Makes requests, for one worker.

    keep  bytes of an answer that are kept
    """

    def __init__(self, guard: Guard, *, keep: int) -> None:
        self._guard = guard
        self._keep = keep
        self._client = Pinned()

    async def call(
        self, method: str, url: str, headers: dict[str, str], body: bytes, final: Callable[[int], bool]
    ) -> dict[str, Any]:
        """The answer as data. Redirects are followed unless `final` says that their status is wanted.

        Raises NotAllowed, Unresolved, HttpFailed.
        """
        sent = {"accept": "*/*", "accept-encoding": "identity", "user-agent": f"nexq/{__version__}", **headers}
        for _ in range(MOST_REDIRECTS + 1):
            target = await self._guard.look_at(url)
            try:
                async with self._client.call(method, target, sent, body) as response:
                    location = response.headers.get("location")
                    if location is None or response.status_code not in _REDIRECTS or final(response.status_code):
                        return await self._read(response)
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                raise HttpFailed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None
            url = _join(target.url, location)
            if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
                # What browsers do, and servers expect.
                method, body = ("HEAD" if method == "HEAD" else "GET"), b""
                sent.pop("content-type", None)
            if parse_url(url)[:3] != target.place[:3]:
                sent = {name: value for name, value in sent.items() if name in _TO_OTHERS}
        raise HttpFailed(f"More than {MOST_REDIRECTS} redirects.", retry=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _read(self, response: httpx.Response) -> dict[str, Any]:
        raw = bytearray()
        whole = True
        async for part in response.aiter_raw():
            raw += part
            if len(raw) > self._keep:
                whole = False
                break
        encoding = response.headers.get("content-encoding", "")
        plain, whole = self._unpacked(bytes(raw[: self._keep]), encoding, whole)
        answer: dict[str, Any] = {
            "status": response.status_code,
            "url": str(response.url),
            "headers": {name: value[:_MOST_VALUE] for name, value in list(response.headers.items())[:_MOST_HEADERS]},
            "truncated": not whole,
        }
        return answer | _body(plain, response, whole)

    def _unpacked(self, raw: bytes, encoding: str, whole: bool) -> tuple[bytes, bool]:
        """What was packed although we asked for it plain; never more than is kept."""
        if encoding.lower() not in ("gzip", "x-gzip", "deflate"):
            return raw, whole
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32 if "gzip" in encoding.lower() else zlib.MAX_WBITS)
        try:
            plain = unpacker.decompress(raw, self._keep)
        except zlib.error:
            return raw, whole
        return plain, whole and not unpacker.unconsumed_tail


def _join(url: str, location: str) -> str:
    """Where a redirect leads. Raises HttpFailed for one that cannot be read."""
    try:
        return str(httpx.URL(url).join(location).copy_with(fragment=None))
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise HttpFailed(f"The redirect to {location[:200]!r} cannot be read: {error}", retry=False) from None


def _body(raw: bytes, response: httpx.Response, whole: bool) -> dict[str, Any]:
    """The body as JSON, as text, or as base64 where it is neither."""
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if whole and raw and (kind == "application/json" or kind.endswith("+json")):
        with contextlib.suppress(ValueError):
            return {"json": loads(raw)}
    for charset in (response.charset_encoding, "utf-8"):
        # The last character may have been cut.
        with contextlib.suppress(LookupError, ValueError):
            return {"body": raw.decode(charset or "utf-8", "strict" if whole else "ignore")}
    return {"body_base64": base64.b64encode(raw).decode()}
