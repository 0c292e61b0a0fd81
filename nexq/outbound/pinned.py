"""HTTP to the addresses that the guard has looked at. Connections are kept for the next call to the same place.

httpx has the requests and the answers, h11 the protocol. The client between them is ours: httpx's own walks all its
connections at every call, which takes the processor whole at a thousand of them, and sets timers and locks at every
step, where one timeout around the call is enough.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

import h11
import httpx

from nexq.outbound.guard import Target
from nexq.outbound.stream import Stream

#: A connection that nobody uses is kept this long, and so many of one place.
KEEP_S = 5.0
MOST_KEPT = 1000
_CHUNK = 1 << 16
_Key = tuple[str, str, int, tuple[str, ...]]


class Pinned:
    """A client for guarded calls.

    It follows no redirect, uses no proxy of the environment, keeps no cookie, and knows no timeout but that for a
    connection to be made: put `asyncio.timeout` around the call and the reading of its answer.
    """

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None
        self._kept: dict[_Key, deque[_Connection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def call(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes = b""
    ) -> AsyncIterator[httpx.Response]:
        """Send a request to one of the target's addresses; its answer, whose body is still to be read.

        Raises httpx.HTTPError and its kinds.
        """
        request = httpx.Request(method, target.url, headers=headers, content=body or None)
        key = (target.place.scheme, target.place.host, target.place.port, target.addresses)
        connection = self._take(key) or _Connection(key, await Stream.open(target, self._tls_for(target)))
        try:
            try:
                head = await connection.exchange(request, body)
            except Exception as error:
                raise _told(error) from None
            yield httpx.Response(
                head.status_code, headers=head.headers.raw_items(), stream=_Body(connection), request=request
            )
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)

    async def aclose(self) -> None:
        """Close the connections that nobody uses."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        kept, self._kept = self._kept, {}
        for connections in kept.values():
            for connection in connections:
                connection.close()

    def _give_back(self, connection: _Connection) -> None:
        """Keep a connection for the next call to the place, or close it."""
        kept = self._kept.setdefault(connection.key, deque())
        if len(kept) >= MOST_KEPT or not connection.renew():
            connection.close()
            return
        kept.append(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(KEEP_S, self._sweep)

    def _take(self, key: _Key) -> _Connection | None:
        kept = self._kept.get(key)
        while kept:
            connection = kept.pop()
            if connection.usable:
                return connection
            connection.close()
        return None

    def _tls_for(self, target: Target) -> ssl.SSLContext | None:
        if target.place.scheme == "http":
            return None
        if self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        return self._tls

    def _sweep(self) -> None:
        """Close what was kept too long; look again while something is kept."""
        self._sweeping = None
        for key, kept in list(self._kept.items()):
            # The oldest stand first.
            while kept and not kept[0].usable:
                kept.popleft().close()
            if not kept:
                del self._kept[key]
        if self._kept:
            self._sweeping = asyncio.get_running_loop().call_later(KEEP_S, self._sweep)


class _Connection:
    """One connection, one request at a time."""

    def __init__(self, key: _Key, stream: Stream) -> None:
        self.key = key
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=100_000)
        self._idle_mono = 0.0

    async def exchange(self, request: httpx.Request, body: bytes) -> h11.Response:
        """Send a request; the head of its answer."""
        http = self._http
        head = h11.Request(method=request.method.encode(), target=request.url.raw_path, headers=request.headers.raw)
        out = http.send(head) or b""
        if body:
            out += http.send(h11.Data(data=body)) or b""
        out += http.send(h11.EndOfMessage()) or b""
        await self._stream.write(out)
        while True:
            event = await self._next()
            if isinstance(event, h11.Response):
                return event

    async def parts(self) -> AsyncIterator[bytes]:
        """The answer's body."""
        while True:
            event = await self._next()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
                return

    def renew(self) -> bool:
        """Make it ready for the next request. False where it cannot be used again."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self._idle_mono = time.monotonic()
        return not self._stream.readable

    @property
    def usable(self) -> bool:
        """Whether it is young, and the server has neither closed it nor said something unasked."""
        return not self._stream.readable and time.monotonic() - self._idle_mono < KEEP_S

    def close(self) -> None:
        """Close it, at once."""
        self._stream.close()

    async def _next(self) -> h11.Event:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = await self._stream.read(_CHUNK)
            if not data and self._http.their_state is h11.SEND_RESPONSE:
                raise h11.RemoteProtocolError("the server closed the connection without an answer")
            self._http.receive_data(data)
        if event is h11.PAUSED:
            raise h11.RemoteProtocolError("the server said more than was asked")
        return cast(h11.Event, event)


class _Body(httpx.AsyncByteStream):
    """An answer's body."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._connection.parts():
                yield part
        except Exception as error:
            raise _told(error) from None


def _told(error: BaseException) -> BaseException:
    """The error as one of httpx, where it is one of the network's or the protocol's."""
    if isinstance(error, h11.RemoteProtocolError):
        return httpx.RemoteProtocolError(str(error))
    if isinstance(error, h11.LocalProtocolError):
        return httpx.LocalProtocolError(str(error))
    return httpx.ReadError(str(error)) if isinstance(error, OSError) else error
