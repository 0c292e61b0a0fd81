"""Connections that go to the addresses that the guard has looked at, kept for the next call to the same place.

httpx speaks HTTP; the two parts below it are ours. Its own pool walks all connections at every call, which takes the
processor whole at a thousand of them, and its network layer sets timers at every read and write, where one for the
whole call is enough.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, cast

import httpcore
import httpx

from nexq.outbound.guard import NotAllowed, Target

#: For one connection to be made, TLS included.
CONNECT_S = 5.0
#: Addresses of one host that are tried.
MOST_ADDRESSES = 3
#: A connection that nobody uses is kept this long, and so many of one place.
KEEP_S = 5.0
MOST_KEPT = 1000
_CHUNK = 1 << 16

_Key = tuple[str, str, int, tuple[str, ...]]


def pinned_client() -> httpx.AsyncClient:
    """A client for guarded calls: `client.stream(…, extensions={"target": target})` with what `Guard.look_at` gave.

    It follows no redirect, uses no proxy of the environment, keeps no cookie, and knows no timeout: put
    `asyncio.timeout` around the call. Raises httpx.HTTPError and its kinds.
    """
    jar = CookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    return httpx.AsyncClient(transport=PinnedTransport(), trust_env=False, follow_redirects=False, cookies=jar)


class PinnedTransport(httpx.AsyncBaseTransport):
    """Sends each request to one of its target's addresses."""

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None
        self._kept: dict[_Key, list[httpcore.AsyncHTTPConnection]] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send. Raises NotAllowed for a request without its target, httpx.TransportError."""
        target = request.extensions.get("target")
        if not isinstance(target, Target):
            raise NotAllowed("This request was not looked at by the guard.")
        key = (target.place.scheme, target.place.host, target.place.port, target.addresses)
        connection = self._take(key) or self._open(target)
        url = request.url
        try:
            answer = await connection.handle_async_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(
                        scheme=url.raw_scheme, host=target.place.host, port=target.place.port, target=url.raw_path
                    ),
                    headers=request.headers.raw,
                    content=request.stream,
                )
            )
        except BaseException as error:
            await connection.aclose()
            raise _told(error) from None
        stream = _Body(answer.stream, self, key, connection)
        return httpx.Response(answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions)

    async def aclose(self) -> None:
        """Close the connections that nobody uses."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        kept, self._kept = self._kept, {}
        for connection in (c for connections in kept.values() for c in connections):
            await connection.aclose()

    def keep(self, key: _Key, connection: httpcore.AsyncHTTPConnection) -> bool:
        """Keep a connection for the next call to the place. False where there are enough."""
        connections = self._kept.setdefault(key, [])
        if len(connections) >= MOST_KEPT or not connection.is_idle():
            return False
        connections.append(connection)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(KEEP_S, self._sweep)
        return True

    def _take(self, key: _Key) -> httpcore.AsyncHTTPConnection | None:
        connections = self._kept.get(key, [])
        while connections:
            connection = connections.pop()
            if connection.is_available() and not connection.has_expired():
                return connection
            self._drop([connection])
        return None

    def _open(self, target: Target) -> httpcore.AsyncHTTPConnection:
        if target.place.scheme == "https" and self._tls is None:
            self._tls = httpx.create_ssl_context(trust_env=False)
        origin = httpcore.Origin(target.place.scheme.encode(), target.place.host.encode(), target.place.port)
        return httpcore.AsyncHTTPConnection(
            origin, ssl_context=self._tls, keepalive_expiry=KEEP_S, network_backend=_Network(target.addresses)
        )

    def _sweep(self) -> None:
        """Close what was kept too long; look again while something is kept."""
        self._sweeping = None
        for key, connections in list(self._kept.items()):
            self._drop([c for c in connections if c.has_expired()])
            self._kept[key] = [c for c in connections if not c.has_expired()]
            if not self._kept[key]:
                del self._kept[key]
        if self._kept:
            self._sweeping = asyncio.get_running_loop().call_later(KEEP_S, self._sweep)

    def _drop(self, connections: Iterable[httpcore.AsyncHTTPConnection]) -> None:
        for connection in connections:
            # It closes without waiting for anything (see _Stream.aclose).
            task = asyncio.ensure_future(connection.aclose())
            task.add_done_callback(_CLOSING.discard)
            _CLOSING.add(task)


_CLOSING: set[asyncio.Future[None]] = set()


class _Body(httpx.AsyncByteStream):
    """An answer's body; at its end the connection is kept, or closed where something of it was left."""

    def __init__(self, body: Any, pool: PinnedTransport, key: _Key, connection: httpcore.AsyncHTTPConnection) -> None:
        self._body = body
        self._pool = pool
        self._key = key
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._body:
                yield part
        except Exception as error:
            raise _told(error) from None

    async def aclose(self) -> None:
        await self._body.aclose()
        if not self._pool.keep(self._key, self._connection):
            await self._connection.aclose()


class _Network(httpcore.AsyncNetworkBackend):
    """Connects to given addresses, whatever name it is asked for."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses[:MOST_ADDRESSES]

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """The first address that answers."""
        loop = asyncio.get_running_loop()
        failure: Exception | None = None
        for address in self._addresses:
            try:
                async with asyncio.timeout(CONNECT_S):
                    return (await loop.create_connection(_Stream, address, port))[1].stream
            except OSError as error:  # TimeoutError is one
                failure = error
        raise httpcore.ConnectError(_text(failure) or f"no answer within {CONNECT_S:g} s")


class _Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """A connection, plain or TLS."""

    def __init__(self) -> None:
        self.stream = self
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ended = False
        self._failure: Exception | None = None
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's: it is open."""
        # uvloop's are not asyncio.Transport by class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio's: bytes have come."""
        self._buffer += data
        if len(self._buffer) > _CHUNK and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._readable)

    def eof_received(self) -> None:
        """Asyncio's: no more will come."""
        self._ended = True
        _wake(self._readable)

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's: it is closed."""
        self._ended, self._failure = True, exc
        _wake(self._readable)
        _wake(self._writable)

    def pause_writing(self) -> None:
        """Asyncio's: too much waits to be sent."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Asyncio's: go on."""
        _wake(self._writable)
        self._writable = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, b"" at the end."""
        if not self._buffer and not self._ended:
            self._readable = asyncio.get_running_loop().create_future()
            try:
                await self._readable
            finally:
                self._readable = None
        if not self._buffer:
            if self._failure is not None:
                raise httpcore.ReadError(_text(self._failure))
            return b""
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        if not self._buffer and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send."""
        if self._ended or self._transport is None:
            raise httpcore.WriteError(_text(self._failure) or "the connection was closed")
        if buffer:
            self._transport.write(buffer)
        if self._writable is not None:
            await self._writable
            if self._ended:
                raise httpcore.WriteError(_text(self._failure) or "the connection was closed")

    async def aclose(self) -> None:
        """Close, at once."""
        if self._transport is not None:
            self._transport.abort()

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Go on under TLS."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S):
                self._transport = await loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except OSError as error:  # ssl.SSLError and TimeoutError are such
            raise httpcore.ConnectError(_text(error) or f"no TLS within {CONNECT_S:g} s") from None
        return self

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for."""
        if info == "is_readable":
            return bool(self._buffer) or self._ended
        if info == "ssl_object" and self._transport is not None:
            return self._transport.get_extra_info("ssl_object")
        return None


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _text(error: BaseException | None) -> str:
    return str(error or "")


def _told(error: BaseException) -> BaseException:
    """The error as one of httpx, where it is one of the network's."""
    if isinstance(error, (httpcore.ConnectError, httpcore.ConnectTimeout)):
        return httpx.ConnectError(_text(error))
    if isinstance(error, (httpcore.ProtocolError,)):
        return httpx.RemoteProtocolError(_text(error))
    if isinstance(error, (httpcore.NetworkError, httpcore.TimeoutException, OSError)):
        return httpx.ReadError(_text(error))
    return error
