"""An answer's head and body in one write: uvicorn makes two, and each costs a system call and wakes the client."""

from __future__ import annotations

import asyncio
from typing import Any


class Corked:
    """A transport that writes what came in one turn of the loop at the turn's end. All else is the transport's."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write it with what else comes in this turn."""
        if not self._pending:
            self._loop.call_soon(self._flush)
        self._pending.append(data)

    def is_closing(self) -> bool:
        """See asyncio.Transport. (Here because each request asks.)"""
        return self._transport.is_closing()

    def close(self) -> None:
        """Write what is pending, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._pending:
            data = b"".join(self._pending)
            self._pending.clear()
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def with_one_write(protocol: type[Any]) -> type[Any]:
    """uvicorn's HTTP protocol (h11's or httptools'), writing through a Corked transport."""

    class OneWrite(protocol):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.transport = Corked(transport, self.loop)

    return OneWrite
