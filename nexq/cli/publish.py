"""`nexq publish rabbitmq`: how jobs end, told to another system."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from nexq.app import Nexq
from nexq.cli import logs
from nexq.cli.bridge import Amqp
from nexq.cli.common import AllowUnsafe, LogFormat, LogLevel, Namespace, Queues, Url, export, names
from nexq.config import setting

app = typer.Typer(help="Tell another system how jobs end.", no_args_is_help=True)
#: What the first and second signal do.
_MEANING = ("what is under way is published; again to end now", "what is not confirmed is not told")


@app.callback()
def _publish() -> None:
    """Tell another system how jobs end."""


@app.command()
def rabbitmq(
    amqp: Amqp = "amqp://guest:guest@localhost/",
    exchange: Annotated[
        str, typer.Option("--exchange", help="Where to; the routing key is <queue>.<state>.", show_default=False)
    ] = "",
    amqp_queue: Annotated[
        str, typer.Option("--amqp-queue", help="Or the AMQP queue to publish to.", show_default=False)
    ] = "",
    states: Annotated[str, typer.Option("--states", help="Which ends: completed, dead, cancelled.")] = "completed,dead",
    queues: Queues = None,
    url: Url = None,
    namespace: Namespace = None,
    allow_unsafe: AllowUnsafe = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Publish each job that ends, with its result or error, from now on until stopped. Its queues: all, or --queues."""
    export(url=url, namespace=namespace, allow_unsafe=allow_unsafe, log_level=log_level, log_format=log_format)
    from nexq.bridges.rabbitmq import Publisher
    from nexq.worker.shutdown import run_until_signal

    logs.set_up(setting("log_level", log_level, "info"), setting("log_format", log_format, "console"))
    for name in ("aiormq", "aio_pika"):
        # What they have to say is said here.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    source = Nexq()
    publisher = Publisher(
        source,
        amqp=amqp,
        exchange=exchange,
        amqp_queue=amqp_queue,
        queues=names(setting("queues", queues, "")),
        states=names(states),
    )

    async def main() -> None:
        try:
            await run_until_signal(publisher, _MEANING)
        finally:
            await source.aclose()
        logging.getLogger("nexq.publish").info("ended: %d published", publisher.published)

    asyncio.run(main())
