"""One connection to a server, shared by many calls at once.

redis-py opens the connection (URL, TLS, credentials, handshake); then its transport is handed to `Wire`, which
pipelines: a call is written at once and its reply resolves a future, in order. A lone call costs the client about
half of what redis-py's client takes, and concurrent calls need no pool.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import hiredis

if TYPE_CHECKING:
    from redis.asyncio.connection import Connection


class WireLost(ConnectionError):
    """The connection is gone. Whether the calls in flight were applied is unknown."""


class Wire(asyncio.Protocol):
    """A pipelined connection. `call()` may be used by many tasks of one loop."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._reader = hiredis.Reader(notEnoughData=_MORE)
        self._waiting: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._transport: asyncio.Transport | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, connection: Connection, timeout_s: float) -> Wire:
        """Connect and sign in by redis-py's connection, then take its transport over."""
        # redis-py would use asyncio.wait_for, which on Python 3.11 may swallow a cancel: the timeout is ours.
        connection.socket_timeout = None
        connection.socket_connect_timeout = None
        try:
            async with asyncio.timeout(timeout_s):
                await connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            if connection._writer is not None:
                connection._writer.transport.abort()
            raise
        wire = cls(timeout_s)
        assert connection._writer is not None
        transport = cast(asyncio.Transport, connection._writer.transport)
        transport.set_protocol(wire)
        wire._transport = transport
        # Both would close the transport when collected; redis-py's object shall not, the writer lives as long as we.
        wire._writer = connection._writer
        connection._reader = connection._writer = None
        return wire

    @property
    def lost(self) -> bool:
        """Whether the connection is gone."""
        return self._transport is None

    def call(self, packed: bytes, timeout_s: float | None = None) -> asyncio.Future[Any]:
        """Send a packed command. The future gives the reply, an error reply as a hiredis.ReplyError value.

        Raises WireLost at once when the connection is gone, and through the future when it goes, or when no reply
        comes within the timeout.
        """
        if self._transport is None:
            raise WireLost("the connection is closed")
        future = self._loop.create_future()
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        self._waiting.append((future, self._loop.time() + limit_s))
        self._transport.write(packed)
        if self._watch is None:
            self._watch = self._loop.call_later(limit_s, self._look_at_deadlines)
        return future

    def close(self, reason: str = "closed") -> None:
        """Close the connection; calls in flight fail with WireLost."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._fail(WireLost(reason))

    def data_received(self, data: bytes) -> None:
        """Resolve the futures of the replies that have come (asyncio.Protocol)."""
        reader, waiting = self._reader, self._waiting
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not _MORE:
                future, _ = waiting.popleft()
                if not future.done():
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            self.close(f"not a Redis server's reply: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is closed (asyncio.Protocol)."""
        self._transport = None
        self._fail(WireLost(str(exc) if exc else "the server closed the connection"))

    def _look_at_deadlines(self) -> None:
        self._watch = None
        if not self._waiting:
            return
        left_s = min(deadline for _, deadline in self._waiting) - self._loop.time()
        if left_s <= 0:
            self.close("no reply in time")
        else:
            self._watch = self._loop.call_later(left_s, self._look_at_deadlines)

    def _fail(self, error: WireLost) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        while self._waiting:
            future, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(error)


_MORE = object()
