"""`nexq worker`: run the jobs of some queues until stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import secrets
import signal
import sys
import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from nexq import __version__
from nexq.app import Nexq
from nexq.backends import connect
from nexq.backoff import Backoff
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
    Url,
    export,
    fail,
    names,
    note,
)
from nexq.cli.moduleref import Modules, load_modules
from nexq.config import setting
from nexq.errors import BackendUnavailable, ConfigError, WorkerDeaf
from nexq.keys import check_id, check_queue
from nexq.store import Keep
from nexq.worker.settings import WorkerSettings

if TYPE_CHECKING:
    from nexq.metrics.listener import Listener

log = logging.getLogger("nexq.worker")

#: A file descriptor that is open as long as the supervisor lives; set for its children only.
LIFE_VARIABLE = "NEXQ_SUPERVISOR_FD"


def worker(
    app: Annotated[
        str | None,
        typer.Argument(envvar="NEXQ_APP", help="module:attribute of the app. Default: the modules there are"),
    ] = None,
    module: Modules = None,
    queues: Queues = None,
    concurrency: Concurrency = None,
    processes: Annotated[
        int | None, typer.Option("--processes", "-p", envvar="NEXQ_PROCESSES", help="Worker processes. Default: 1")
    ] = None,
    lease: Lease = None,
    grace: Grace = None,
    burst: Annotated[bool, typer.Option("--burst", help="Stop when no job is ready.")] = False,
    name: Annotated[str | None, typer.Option("--name", help="Begin of the worker's id. Default: host and pid")] = None,
    metrics_addr: Annotated[
        str | None,
        typer.Option(
            "--metrics-addr",
            envvar="NEXQ_METRICS_ADDR",
            help="Serve /metrics, /livez and /readyz there; a second process takes the next port. Default: nowhere",
            metavar="HOST:PORT",
            show_default=False,
        ),
    ] = None,
    url: Url = None,
    namespace: Namespace = None,
    allow_unsafe: AllowUnsafe = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Run jobs until stopped: SIGTERM or Ctrl-C lets running ones end, a second one gives them back."""
    _end_with_supervisor()
    export(url=url, namespace=namespace, allow_unsafe=allow_unsafe, log_level=log_level, log_format=log_format)
    ref = setting("app", app, "")
    count = setting("processes", processes, 1)
    if not 1 <= count <= 256:
        raise ConfigError(f"Expected processes to be from 1 to 256, got {count!r}.")
    where = setting("metrics_addr", metrics_addr, "")
    settings = replace(make_settings(queues, concurrency, lease, grace, burst=burst, name=name), metrics=bool(where))
    if count > 1:
        logs.set_up(setting("log_level", log_level, "info"), setting("log_format", log_format, "console"))
        what = [ref, *(f"--module={m}" for m in module or ())] if ref else [f"--module={m}" for m in module or ()]
        raise SystemExit(_supervise(what, count, settings, setting("queues", queues, ""), name, where))
    loaded = load_app(ref) if ref else Nexq()
    logs.set_up(setting("log_level", log_level, "info"), setting("log_format", log_format, "console"))
    load_modules(loaded, module, all_found=not ref)
    allow_files(settings.concurrency)
    warn_of_own_url(loaded, url, namespace)
    if not queues and not setting("queues", None, ""):
        settings = replace(settings, queues=tuple(loaded.registry.queues()) or ("default",))
    if not len(loaded.registry):
        log.warning("the app has no handlers: every job will be given back")
    try:
        asyncio.run(work(loaded, settings, where))
    except WorkerDeaf as error:
        fail(f"The worker gives up: {error}", EXIT_DEAF)
    finally:
        loaded.runner.close(loaded.aclose)


def make_settings(
    queues: str | None,
    concurrency: int | None,
    lease: float | None,
    grace: float | None,
    *,
    burst: bool = False,
    name: str | None = None,
) -> WorkerSettings:
    """A worker's settings, from flags, environment and pyproject.toml. Raises ConfigError, InvalidName."""
    usual = WorkerSettings()
    keep = Keep()
    return WorkerSettings(
        queues=tuple(dict.fromkeys(check_queue(q) for q in names(setting("queues", queues, "default")))),
        concurrency=setting("concurrency", concurrency, usual.concurrency),
        lease_s=setting("lease", lease, usual.lease_s),
        grace_s=setting("grace", grace, usual.grace_s),
        watchdog_s=setting("watchdog", None, usual.watchdog_s),
        burst=burst,
        keep=Keep(
            completed_s=setting("keep_completed", None, keep.completed_s),
            completed_count=setting("keep_completed_count", None, keep.completed_count),
            dead_s=setting("keep_dead", None, keep.dead_s),
            dead_count=setting("keep_dead_count", None, keep.dead_count),
        ),
        id=f"{check_id(name)}-{secrets.token_hex(3)}" if name else usual.id,
    )


def allow_files(concurrency: int) -> None:
    """Let the process have as many open files as its jobs may need connections, as far as the system lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * concurrency + 256
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def warn_of_own_url(app: Nexq, url: str | None, namespace: str | None) -> None:
    """Say so when the app's code decides what a flag wanted to decide."""
    if url and app.url != url:
        note("The app's code gives its own URL; --url is not used.")
    if namespace and app.namespace != namespace:
        note(f"The app's code gives its own namespace, {app.namespace!r}; --namespace is not used.")


async def work(app: Nexq, settings: WorkerSettings, metrics_addr: str = "") -> None:
    """Run one worker until it is told to stop. Raises WorkerDeaf, ConfigError."""
    with contextlib.ExitStack() as stack:
        listener: Listener | None = None
        if metrics_addr:
            from nexq.metrics import listener as door

            listener = stack.enter_context(door.Listener(*door.parse_address(metrics_addr), __version__))
            log.info("metrics on port %d", listener.address[1])
        await _work(app, settings, listener)


async def _work(app: Nexq, settings: WorkerSettings, listener: Listener | None) -> None:
    from nexq.worker.shutdown import run_until_signal

    await wait_for_server(app, settings.watchdog_s)
    made, store = await app.make_worker(settings=settings)
    if listener is not None:
        from nexq.metrics.worker import families

        listener.watch(made, partial(families, made))
    log.info(
        "worker %s: queues %s, %d handlers, concurrency %d, %s",
        settings.id,
        ",".join(settings.queues),
        len(app.registry),
        settings.concurrency,
        store.backend.url,
    )
    try:
        await run_until_signal(made)
    finally:
        await store.aclose()
        await app.aclose()
    log.info("worker %s: ended, %d jobs done, %d not completed", settings.id, made.done, made.failed)


async def wait_for_server(app: Nexq, patience_s: float) -> None:
    """A worker may be started before its server: wait as long as it would later, and say so. Raises WorkerDeaf."""
    backoff = Backoff(base_s=0.1, cap_s=2.0)
    deadline = time.monotonic() + patience_s
    probe = connect(app.url, patience_s=1.0)
    try:
        while True:
            try:
                await probe.check(allow_unsafe=True)
                break
            except BackendUnavailable as error:
                wait_s = backoff.next_s()
                if time.monotonic() + wait_s > deadline:
                    raise WorkerDeaf(f"{error} Tried for {patience_s:g} s.") from None
                log.warning("%s Trying again in %.1f s.", error, wait_s)
                await asyncio.sleep(wait_s)
        await app.store()
    finally:
        await probe.aclose()


def _supervise(
    what: list[str], count: int, settings: WorkerSettings, queues: str, name: str | None, metrics_addr: str
) -> int:
    """Run this command in several processes; returns the exit code."""
    from nexq.worker.supervisor import Supervisor

    if metrics_addr:
        # A wrong one is told before anything is started.
        _address_of(metrics_addr, count)

    def command(number: int) -> list[str]:
        args = [sys.executable, "-m", "nexq", "worker", *what, "--processes", "1"]
        args += ["--concurrency", str(settings.concurrency)]
        args += ["--lease", repr(settings.lease_s), "--grace", repr(settings.grace_s)]
        if queues:
            args += ["--queues", queues]
        if settings.burst:
            args.append("--burst")
        if name:
            args += ["--name", f"{name}-{number}"]
        if metrics_addr:
            args += ["--metrics-addr", _address_of(metrics_addr, number)]
        return args

    return Supervisor(command, count, LIFE_VARIABLE, grace_s=settings.grace_s).run()


def _address_of(text: str, number: int) -> str:
    """The metrics address of a child: each takes the port after that of the one before it. Raises ConfigError."""
    from nexq.metrics.listener import parse_address

    host, port = parse_address(text)
    shown = f"[{host}]" if ":" in host else host
    # A port of the system's choice is another one for each.
    return f"{shown}:{port and port + number - 1}"


def _end_with_supervisor() -> None:
    """In a child of a supervisor: drain when the supervisor is gone, however it went."""
    fd = os.environ.pop(LIFE_VARIABLE, "")
    if not fd.isdigit():
        return

    def watch() -> None:
        # The supervisor never writes; the read ends with its life.
        os.read(int(fd), 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="nexq-supervisor", daemon=True).start()
