"""An answer's head and body in one write: uvicorn makes two, and each costs a system call and wakes the client."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

log = logging.getLogger("nexq.web")


class Turn:
    """The transports of one server that have something to write at the end of this turn of its loop."""

    def __init__(self) -> None:
        self._corked: list[Corked] = []

    def add(self, corked: Corked) -> None:
        """Have it write at the turn's end."""
        if not self._corked:
            asyncio.get_running_loop().call_soon(self._end)
        self._corked.append(corked)

    def _end(self) -> None:
        corked, self._corked = self._corked, []
        for one in corked:
            try:
                one.flush()
            except Exception:
                # The others' clients wait for their answers.
                log.exception("an answer could not be written")


class Corked:
    """A transport that writes what came in one turn of the loop at the turn's end. All else is the transport's."""

    def __init__(self, transport: asyncio.Transport, turn: Turn) -> None:
        self._transport = transport
        self._turn = turn
        self._pending: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write it with what else comes in this turn."""
        if not self._pending:
            self._turn.add(self)
        self._pending.append(data)

    def is_closing(self) -> bool:
        """See asyncio.Transport. (Here because each request asks.)"""
        return self._transport.is_closing()

    def close(self) -> None:
        """Write what is pending, and close."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """Write what is pending."""
        if self._pending:
            data = b"".join(self._pending)
            self._pending.clear()
            self._transport.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def with_one_write(protocol: type[Any]) -> type[Any]:
    """uvicorn's HTTP protocol (h11's or httptools') for one server, writing through a Corked transport."""
    turn = Turn()

    class OneWrite(protocol):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self.transport = Corked(transport, turn)

    return OneWrite
