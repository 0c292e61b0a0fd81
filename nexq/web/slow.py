"""Deadlines for slow clients: uvicorn has none for the head of a request."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from nexq.web.corked import with_one_write

#: From a connection's begin, or a later request's first byte, until its head is complete.
HEAD_S = 15.0


def with_deadline(protocol: type[Any], head_s: float = HEAD_S) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol (h11's or httptools'), closing connections whose request head does not come in time."""

    class Deadline(protocol):  # type: ignore[misc]
        def connection_made(self, transport: asyncio.Transport) -> None:
            self._head_timer: asyncio.TimerHandle | None = None
            super().connection_made(transport)
            self._watch_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch_head()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_watching()
            super().connection_lost(exc)

        def _watch_head(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                # A request is being answered: its head was whole.
                self._stop_watching()
            elif self._head_timer is None:
                self._head_timer = self.loop.call_later(head_s, self.transport.close)

        def _stop_watching(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

    return Deadline


def http_protocol() -> type[asyncio.Protocol]:
    """httptools' protocol where that is installed whole, else h11's; with deadlines, an answer in one write.

    Half an installation of httptools would stop the server at its first connection.
    """
    try:
        whole = hasattr(import_module("httptools"), "HttpRequestParser")
    except ImportError:
        whole = False
    if not whole:
        return with_deadline(with_one_write(H11Protocol))
    found = import_module("uvicorn.protocols.http.httptools_impl").HttpToolsProtocol
    return with_deadline(with_one_write(found))
