"""`nexq bridge rabbitmq`: messages that lie in another system become jobs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from nexq import __version__
from nexq.app import Nexq
from nexq.cli import logs
from nexq.cli.appref import load_app
from nexq.cli.common import AllowUnsafe, AppOption, Grace, LogFormat, LogLevel, Namespace, Url, export
from nexq.cli.worker import warn_of_own_url
from nexq.config import setting

if TYPE_CHECKING:
    from nexq.bridges.rabbitmq import Bridge

log = logging.getLogger("nexq.bridge")

app = typer.Typer(help="Turn the messages of another system into jobs.", no_args_is_help=True)

Amqp = Annotated[
    str,
    typer.Option("--amqp", envvar="NEXQ_AMQP", help="The broker: amqp://user:password@host:5672/vhost, or amqps://."),
]
#: What the first and second signal do.
_MEANING = ("the batch under way is finished; again to end now", "what is not acknowledged will be delivered again")


@app.callback()
def _bridge() -> None:
    """Turn the messages of another system into jobs."""


@app.command()
def rabbitmq(
    amqp_queue: Annotated[str, typer.Option("--amqp-queue", envvar="NEXQ_AMQP_QUEUE", help="The queue to consume.")],
    amqp: Amqp = "amqp://guest:guest@localhost/",
    prefetch: Annotated[
        int, typer.Option("--prefetch", help="Most messages that are delivered and not acknowledged.")
    ] = 100,
    queue: Annotated[
        str | None,
        typer.Option("--queue", "-q", help="Queue of jobs whose message names none. Default: their handler's own"),
    ] = None,
    declare: Annotated[
        bool, typer.Option("--declare", help="Make the AMQP queue, durable, where there is none; else wait for it.")
    ] = False,
    metrics_addr: Annotated[
        str | None,
        typer.Option(
            "--metrics-addr",
            envvar="NEXQ_METRICS_ADDR",
            help="Serve /metrics, /livez and /readyz there. Default: nowhere",
            metavar="HOST:PORT",
            show_default=False,
        ),
    ] = None,
    app_ref: AppOption = None,
    grace: Grace = None,
    url: Url = None,
    namespace: Namespace = None,
    allow_unsafe: AllowUnsafe = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Make a job of each message of a RabbitMQ queue, once, until stopped.

    SIGTERM or Ctrl-C finishes the batch under way, a second one ends at once. What is not acknowledged stays there.
    """
    export(url=url, namespace=namespace, allow_unsafe=allow_unsafe, log_level=log_level, log_format=log_format)
    from nexq.bridges.rabbitmq import Bridge

    ref = setting("app", app_ref, "")
    target = load_app(ref) if ref else Nexq()
    logs.set_up(setting("log_level", log_level, "info"), setting("log_format", log_format, "console"))
    warn_of_own_url(target, url, namespace)
    # What it has to say the bridge says itself.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    bridge = Bridge(
        target,
        amqp=amqp,
        amqp_queue=amqp_queue,
        prefetch=prefetch,
        queue=queue,
        declare=declare,
        grace_s=setting("grace", grace, 30.0),
    )
    asyncio.run(_work(target, bridge, setting("metrics_addr", metrics_addr, "")))


async def _work(target: Nexq, bridge: Bridge, metrics_addr: str) -> None:
    from nexq.bridges.rabbitmq import families
    from nexq.worker.shutdown import run_until_signal

    with contextlib.ExitStack() as stack:
        if metrics_addr:
            from nexq.metrics import listener as door

            listener = stack.enter_context(door.Listener(*door.parse_address(metrics_addr), __version__))
            log.info("metrics on port %d", listener.address[1])
            listener.watch(bridge, partial(families, bridge.tally))
        log.info("bridge from RabbitMQ queue %r to %s", bridge.amqp_queue, target.link().store.backend.url)
        try:
            await run_until_signal(bridge, _MEANING)
        finally:
            await target.aclose()
    tally = bridge.tally
    log.info(
        "bridge ended: %d messages became jobs, %d had become one before, %d rejected",
        tally.taken["enqueued"],
        tally.taken["repeated"],
        sum(tally.rejected.values()),
    )
