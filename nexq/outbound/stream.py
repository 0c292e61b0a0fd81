"""A connection to an address that the guard has looked at, plain or TLS."""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

import httpx

from nexq.outbound.guard import Target

#: For one connection to be made; TLS has as long again.
CONNECT_S = 10.0
#: Addresses of one host that are tried.
MOST_ADDRESSES = 3
#: Bytes that are read ahead.
AHEAD = 1 << 17


class Stream(asyncio.Protocol):
    """A connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._ended = False
        self._failure: Exception | None = None
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    @classmethod
    async def open(cls, target: Target, tls: ssl.SSLContext | None) -> Stream:
        """Connect to the first of the target's addresses that answers; with TLS under the target's name.

        Raises httpx.ConnectError.
        """
        loop = asyncio.get_running_loop()
        failure: BaseException | None = None
        for address in target.addresses[:MOST_ADDRESSES]:
            try:
                async with asyncio.timeout(CONNECT_S):
                    _, stream = await loop.create_connection(
                        cls,
                        address,
                        target.place.port,
                        ssl=tls,
                        server_hostname=target.place.host if tls else None,
                        ssl_handshake_timeout=CONNECT_S if tls else None,
                    )
                return stream
            except OSError as error:  # ssl.SSLError and TimeoutError are such
                failure = error
        raise httpx.ConnectError(str(failure or "") or f"no answer within {CONNECT_S:g} s")

    @property
    def readable(self) -> bool:
        """Whether something has come, or the other side has closed."""
        return bool(self._buffer) or self._ended

    async def read(self, most: int) -> bytes:
        """What has come, b"" at the end. Raises OSError."""
        if not self._buffer and not self._ended:
            self._readable = asyncio.get_running_loop().create_future()
            try:
                await self._readable
            finally:
                self._readable = None
        if not self._buffer:
            if self._failure is not None:
                raise OSError(str(self._failure) or type(self._failure).__name__)
            return b""
        full = len(self._buffer) > AHEAD
        data = bytes(self._buffer[:most])
        del self._buffer[:most]
        if full and len(self._buffer) <= AHEAD and self._transport is not None and not self._ended:
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send. Raises OSError."""
        if self._ended or self._transport is None:
            raise ConnectionResetError("the connection was closed")
        self._transport.write(data)
        if self._writable is not None:
            await self._writable
            if self._ended:
                raise ConnectionResetError("the connection was closed")

    def close(self) -> None:
        """Close, at once."""
        if self._transport is not None:
            self._transport.abort()

    # -- What asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        # uvloop's are not asyncio.Transport by class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        before = len(self._buffer)
        self._buffer += data
        if before <= AHEAD < len(self._buffer) and self._transport is not None:
            self._transport.pause_reading()
        _wake(self._readable)

    def eof_received(self) -> None:
        """No more will come."""
        self._ended = True
        _wake(self._readable)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._ended, self._failure = True, exc
        _wake(self._readable)
        _wake(self._writable)

    def pause_writing(self) -> None:
        """Too much waits to be sent."""
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """Go on."""
        _wake(self._writable)
        self._writable = None


def _wake(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)
