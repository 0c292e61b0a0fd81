"""`nexq up`: everything in one process. A server for the jobs, a worker, and a small HTTP side."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nexq.app import Nexq
from nexq.cli import logs
from nexq.cli.appref import load_app
from nexq.cli.common import (
    EXIT_DEAF,
    AllowUnsafe,
    Concurrency,
    Grace,
    Lease,
    LogFormat,
    LogLevel,
    Namespace,
    Queues,
    RootPath,
    Url,
    export,
    fail,
    read_root_path,
)
from nexq.cli.moduleref import Modules, load_modules
from nexq.cli.worker import allow_files, make_settings, wait_for_server, warn_of_own_url
from nexq.config import setting
from nexq.errors import NexqError, WorkerDeaf
from nexq.worker.loop import Worker
from nexq.worker.settings import WorkerSettings

log = logging.getLogger("nexq.up")

DEMO = "nexq.demo:app"


def up(
    app: Annotated[
        str | None, typer.Argument(envvar="NEXQ_APP", help="module:attribute of the app. Default: what is bundled")
    ] = None,
    module: Modules = None,
    port: Annotated[
        int | None, typer.Option("--port", envvar="NEXQ_PORT", help="Default: 8080; 0: a free one", max=65535, min=0)
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    demo: Annotated[
        bool, typer.Option("--demo", help="Submit a little traffic, so that there is something to see.")
    ] = False,
    auth: Annotated[
        bool | None,
        typer.Option(
            "--auth/--no-auth",
            envvar="NEXQ_AUTH",
            help="Whether callers need a token. Default: when there are tokens; beyond this machine always",
            show_default=False,
        ),
    ] = None,
    root_path: RootPath = None,
    queues: Queues = None,
    concurrency: Concurrency = None,
    lease: Lease = None,
    grace: Grace = None,
    url: Url = None,
    namespace: Namespace = None,
    allow_unsafe: AllowUnsafe = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Start everything: a server for the jobs (unless --url names one), a worker, and HTTP on 127.0.0.1:8080."""
    export(url=url, namespace=namespace, allow_unsafe=allow_unsafe)
    settings = make_settings(queues, concurrency, lease, grace)
    prefix = read_root_path(root_path)
    ref = setting("app", app, "")
    if demo and ref and ref != DEMO:
        fail("--demo shows the bundled handlers: leave the app out.", 2)
    loaded = load_app(ref or DEMO)
    logs.set_up(setting("log_level", log_level, "info"), setting("log_format", log_format, "console"))
    warn_of_own_url(loaded, url, namespace)
    load_modules(loaded, module, all_found=not ref or ref == DEMO)
    allow_files(settings.concurrency)
    if not queues and not setting("queues", None, ""):
        settings = replace(settings, queues=tuple(loaded.registry.queues()) or ("default",))
    listening = _bind(host, setting("port", port, 8080))
    try:
        asyncio.run(
            _up(loaded, settings, listening, demo=demo, bundled=not ref or ref == DEMO, auth=auth, prefix=prefix)
        )
    except WorkerDeaf as error:
        fail(f"The worker gives up: {error}", EXIT_DEAF)
    finally:
        listening.close()
        loaded.runner.close(loaded.aclose)


def _bind(host: str, port: int) -> socket.socket:
    from nexq.web.bind import bind

    return bind(host, port)


class _Watched:
    """The worker, as signals see it; remembers that it was told to stop."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._stopping = False

    def why_not_ready(self) -> str:
        """Why jobs are not taken and run, or ''."""
        if self._stopping:
            return "it is stopping"
        return "" if self._worker.ready else "no fresh round trip of the worker"

    async def run(self) -> None:
        """Work until stopped."""
        await self._worker.run()

    def stop(self) -> None:
        """Drain."""
        self._stopping = True
        self._worker.stop()

    def hurry(self) -> None:
        """Do not wait any longer."""
        self._stopping = True
        self._worker.hurry()


async def _up(
    app: Nexq,
    settings: WorkerSettings,
    listening: socket.socket,
    *,
    demo: bool,
    bundled: bool,
    auth: bool | None,
    prefix: str,
) -> None:
    from nexq.web.run import Serving, serving
    from nexq.worker.shutdown import run_until_signal

    await wait_for_server(app, settings.watchdog_s)
    worker, store = await app.make_worker(settings=settings)
    watched = _Watched(worker)
    how = Serving(auth=auth, keep=settings.keep.pack(), stop_s=2.0, prefix=prefix)
    try:
        async with serving(app, listening, how, watched.why_not_ready), _traffic(app if demo else None):
            _greet(app, listening, store.backend.url, bundled=bundled, demo=demo)
            await run_until_signal(watched)
    finally:
        await store.aclose()
        await app.aclose()


@asynccontextmanager
async def _traffic(app: Nexq | None) -> AsyncIterator[None]:
    """Submit the demo's jobs while the block lasts."""
    if app is None:
        yield
        return
    from nexq.demo import traffic

    async def submit() -> None:
        while True:
            try:
                await traffic(app)
            except NexqError as error:
                log.warning("no traffic for a moment: %s", error)
                await asyncio.sleep(1.0)

    task = asyncio.create_task(submit(), name="nexq-demo-traffic")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _greet(app: Nexq, listening: socket.socket, where: str, *, bundled: bool, demo: bool) -> None:
    """Say what is there and what to type next, on stdout."""
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    handlers = ", ".join(sorted(h.name for h in app.registry)) or "none"
    nexq = _how_to_call()
    lines = [
        "",
        f"  nexq is up         http://{shown}:{port}    (the dashboard; ready: /readyz)",
        f"  jobs are kept in   {where}",
        f"  handlers           {handlers}",
        "",
    ]
    if demo:
        lines += ["  A few jobs a second are being submitted. Watch them from another terminal:", ""]
    else:
        lines += ["  In another terminal, in this folder:", ""]
    if bundled and not demo:
        lines.append(f'    {nexq} enqueue demo:hello \'{{"name": "Ada"}}\' --wait')
    lines += [f"    {nexq} queues ls", f"    {nexq} jobs ls", f"    {nexq} dead ls", "", "  Ctrl-C ends it.", ""]
    typer.echo("\n".join(lines))


def _how_to_call() -> str:
    """What a person types in this folder to reach this very nexq, which may live in a virtual environment here."""
    script = Path(sys.executable).with_name("nexq")
    if shutil.which("nexq") == str(script):
        return "nexq"
    if script.is_file():
        here = Path.cwd()
        return str(script.relative_to(here) if script.is_relative_to(here) else script)
    return "python -m nexq"
