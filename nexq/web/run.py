"""Serving: the API on a socket, and what a server does beside it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from copy import copy
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import uvicorn
from starlette.applications import Starlette

from nexq.app import Nexq
from nexq.errors import BackendError, BackendUnavailable, ConfigError
from nexq.store import Store
from nexq.web.asgi import create_asgi
from nexq.web.auth import Guard
from nexq.web.slow import http_protocol
from nexq.web.table import Rule

log = logging.getLogger("nexq.server")

#: How long a request keeps trying while the store's server is away, before it is answered with 503.
PATIENCE_S = 2.0
#: How often a queue is looked after, about.
TIDY_S = 1.0
#: Most jobs that one slice of tidying moves, and most slices of one queue at a time.
SLICE, SLICES = 500, 20
#: A server whose last round trip to the store is older is not ready.
FRESH_S = 5.0
#: How often a server without authentication looks whether there are tokens now.
LOOK_S = 2.0

OPEN_TO_ALL = (
    "Refusing to listen on {host}, which other machines can reach, without authentication: everybody could run jobs. "
    "Create a token (`nexq token create NAME --scope admin`) and start again, or listen on 127.0.0.1, "
    "or say --no-auth to serve everybody."
)


@dataclass(frozen=True, slots=True)
class Serving:
    """How to serve. `auth`: None for when there are tokens; `keep`: retention, as `Keep.pack()` gives it."""

    auth: bool | None = None
    keep: str = ""
    #: Addresses of proxies whose X-Forwarded-For and X-Forwarded-Proto are believed, with commas between.
    proxies: str = ""
    #: The path under which a proxy offers the server, '' for none.
    prefix: str = ""
    limit_connections: int = 1000
    stop_s: float = 10.0


class Tidier:
    """Looks after the queues that no worker serves: their jobs are promoted, reaped and pruned all the same."""

    def __init__(self, store: Store, keep: str = "", every_s: float = TIDY_S) -> None:
        self._store = store
        self._keep = keep
        self._every_s = every_s
        self._ok_mono = float("-inf")
        self.stopping = False

    def why_not_ready(self) -> str:
        """Why the server is not ready, or ''."""
        if self.stopping:
            return "it is stopping"
        if time.monotonic() - self._ok_mono > FRESH_S:
            return "no fresh round trip to the server that keeps the jobs"
        return ""

    async def run(self) -> None:
        """Look after them again and again. Servers that do so side by side do no harm."""
        failed = False
        while True:
            try:
                await self.tick()
                failed = False
            except BackendError as error:
                if not failed:
                    log.warning("queues are not looked after for now: %s", error)
                failed = True
            # Not in step with other servers.
            await asyncio.sleep(self._every_s * random.uniform(0.8, 1.2))  # noqa: S311

    async def tick(self) -> None:
        """Look after each queue once."""
        directory = await self._store.views.directory()
        self._ok_mono = time.monotonic()
        # A worker tidies its own queues, and how long it keeps jobs is for it to say.
        served = {queue for w in directory.workers if w.alive for queue in w.info.get("queues", ())}
        for queue in directory.queues:
            if queue in served:
                continue
            for _ in range(SLICES):
                moved = await self._store.moves.tidy(queue, self._keep, SLICE)
                self._ok_mono = time.monotonic()
                if max(moved) < SLICE:
                    break


async def make_guard(app: Nexq, host: str, auth: bool | None) -> Guard:
    """The gate for a server on an address. Raises ConfigError where everybody could come in without anybody's word."""
    loopback = _is_loopback(host)
    if auth is None and loopback:
        # Closed until it is known that there are no tokens.
        guard = Guard(app, auth=True, local_only=True)
        guard.known = False
        return guard
    if auth is None:
        if not await _has_tokens(app):
            raise ConfigError(OPEN_TO_ALL.format(host=host))
        return Guard(app, auth=True)
    if auth and not await _has_tokens(app):
        log.warning("There is no token yet, so nobody can call this server: `nexq token create` makes one.")
    if not auth and not loopback:
        log.warning("Serving everybody who reaches %s, without authentication, as --no-auth says.", host)
    return Guard(app, auth=auth)


async def _has_tokens(app: Nexq) -> bool:
    return bool(await (await app.store()).books.tokens())


def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback


async def look_for_tokens(app: Nexq, guard: Guard) -> None:
    """Ask for tokens where there are any. Raises BackendError."""
    guard.auth = await _has_tokens(app)
    guard.known = True


async def watch_tokens(app: Nexq, guard: Guard) -> None:
    """Ask for tokens from the moment there is one. A server that asked once goes on asking."""
    told = False
    while True:
        try:
            await look_for_tokens(app, guard)
            if guard.auth:
                log.info("There are tokens: callers must present one.")
                return
            if not told:
                log.info("There are no tokens: everybody on this machine may call this server.")
            told = True
        except BackendError as error:
            log.debug("whether there are tokens is not known: %s", error)
        await asyncio.sleep(LOOK_S)


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own, which would end the process before its audit is written."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to `serve`."""
        yield


async def serve(app: Nexq, listening: socket.socket, how: Serving, ready: Callable[[Guard], None]) -> None:
    """Serve until SIGTERM or SIGINT; a second one does not wait for requests. Raises ConfigError, UnsafeBackend."""
    app.patience_s = min(app.patience_s, PATIENCE_S)
    try:
        guard = await make_guard(app, str(listening.getsockname()[0]), how.auth)
        try:
            await app.store()
        except BackendUnavailable as error:
            log.warning("%s Requests are answered with 503 until it is there.", error)
        await _serve(app, guard, listening, how, ready)
        await guard.auditor.flush(app.link().store.books)
    finally:
        await app.aclose()


async def _serve(
    app: Nexq, guard: Guard, listening: socket.socket, how: Serving, ready: Callable[[Guard], None]
) -> None:
    tidier = Tidier(app.link().store, how.keep)
    server = _server(app, guard, how, tidier.why_not_ready)
    if not guard.known:
        with contextlib.suppress(BackendError):
            await look_for_tokens(app, guard)
    async with _duties(app, guard, how, tidier):
        with _signals(server, tidier):
            ready(guard)
            await server.serve(sockets=[listening])


@contextlib.asynccontextmanager
async def serving(
    app: Nexq, listening: socket.socket, how: Serving, why_not_ready: Callable[[], str], rules: list[Rule] | None = None
) -> AsyncIterator[None]:
    """Serve beside a worker while the block lasts. Raises ConfigError, as `serve` does.

    The worker's patience with a store that is away is its own; requests have less.
    """
    web = copy(app)
    web._links = {}
    web.patience_s = min(app.patience_s, PATIENCE_S)
    try:
        guard = await make_guard(web, str(listening.getsockname()[0]), how.auth)
        tidier = Tidier(await web.store(), how.keep)
        server = _server(web, guard, how, lambda: why_not_ready() or tidier.why_not_ready(), rules)
        if not guard.known:
            await look_for_tokens(web, guard)
        async with _duties(web, guard, how, tidier):
            task = asyncio.create_task(server.serve(sockets=[listening]), name="nexq-http")
            try:
                yield
            finally:
                server.should_exit = True
                await task
        await guard.auditor.flush(web.link().store.books)
    finally:
        await web.aclose()


@contextlib.asynccontextmanager
async def _duties(app: Nexq, guard: Guard, how: Serving, tidier: Tidier) -> AsyncIterator[None]:
    """What runs beside the requests."""
    parts = [asyncio.create_task(tidier.run(), name="nexq-tidier")]
    if how.auth is None and guard.local_only:
        parts.append(asyncio.create_task(watch_tokens(app, guard), name="nexq-tokens"))
    try:
        yield
    finally:
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)


def _server(
    app: Nexq, guard: Guard, how: Serving, why_not_ready: Callable[[], str], rules: list[Rule] | None = None
) -> _Server:
    site = create_asgi(app, gate=guard, rules=rules, prefix=how.prefix)
    site.state.ready = why_not_ready
    return _Server(_config(site, how))


def _config(site: Starlette, how: Serving) -> uvicorn.Config:
    return uvicorn.Config(
        site,
        http=http_protocol(),
        log_config=None,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        proxy_headers=bool(how.proxies),
        forwarded_allow_ips=how.proxies or "",
        limit_concurrency=how.limit_connections,
        h11_max_incomplete_event_size=64 * 1024,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=round(how.stop_s),
    )


@contextlib.contextmanager
def _signals(server: uvicorn.Server, tidier: Tidier) -> Iterator[None]:
    """The first signal lets requests end, the second does not."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if server.should_exit:
            server.force_exit = True
        tidier.stopping = True
        server.should_exit = True

    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def run(app: Nexq, listening: socket.socket, how: Serving, ready: Callable[[Guard], None]) -> None:
    """Serve on a loop of its own: uvloop's where it is installed."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(serve(app, listening, how, ready))


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        uvloop: Any = import_module("uvloop")
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
