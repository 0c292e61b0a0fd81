"""The small HTTP side of `nexq up`: whether it lives, whether it is ready, and what is there.

Two parts that know nothing of each other: `pages(...)` is the ASGI application, `Listener` serves any such
application on a port. A larger application takes the place of the first without touching the second.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from nexq.errors import ConfigError, NexqError
from nexq.store import Store

#: How long /readyz waits for the store.
STORE_S = 2.0


def pages(store: Store, ready: Callable[[], bool], about: dict[str, Any]) -> Starlette:
    """The application: `/`, `/livez`, `/readyz`.

    ready   whether the worker has had a fresh round trip and is not stopping
    about   what `/` tells beside the addresses
    """

    async def index(request: Request) -> JSONResponse:
        links = {r.path: r.endpoint.__doc__ for r in routes}
        return JSONResponse({"name": "nexq", **about, "paths": links})

    async def livez(request: Request) -> PlainTextResponse:
        """200 as long as the process answers."""
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> PlainTextResponse:
        """200 when jobs are being run; 503 while starting, stopping, or without a server."""
        if not ready():
            return PlainTextResponse("not ready: no fresh round trip of the worker, or it is stopping\n", 503)
        try:
            async with asyncio.timeout(STORE_S):
                await store.views.directory()
        except (NexqError, TimeoutError) as error:
            return PlainTextResponse(f"not ready: {error or 'the server does not answer'}\n", 503)
        return PlainTextResponse("ready\n")

    index.__doc__ = "This list."
    routes = [Route("/", index), Route("/livez", livez), Route("/readyz", readyz)]
    return Starlette(routes=routes)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError that names the port when it is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, OverflowError, UnicodeError) as error:
        raise ConfigError(f"Cannot listen on {host}:{port}: {error}.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.strerror == "Address already in use":
            raise ConfigError(f"Port {port} on {host} is taken by another program: choose another, --port N.") from None
        raise ConfigError(f"Cannot listen on {host}:{port}: {error}.") from None
    listener.setblocking(False)
    return listener


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the worker."""
        yield


class Listener:
    """Serves an ASGI application on a socket while the block lasts: `async with Listener(app, socket): …`."""

    def __init__(self, application: Callable[..., Awaitable[None]], listening: socket.socket) -> None:
        config = uvicorn.Config(
            application,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        self._socket = listening
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listener:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="nexq-http")
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()
