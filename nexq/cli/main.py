"""The command `nexq`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nexq import __version__
from nexq.cli import dead, doctor, enqueue, jobs, queues, stress, up, worker, workers
from nexq.cli.common import explain
from nexq.errors import NexqError

app = typer.Typer(
    name="nexq",
    help="A priority and scheduled job scheduler. Start with `nexq up`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up", rich_help_panel="Run")(up.up)
app.command("worker", rich_help_panel="Run")(worker.worker)
app.command("enqueue", cls=enqueue.EnqueueCommand, rich_help_panel="Jobs")(enqueue.enqueue)
app.add_typer(jobs.app, name="jobs", rich_help_panel="Jobs")
app.add_typer(dead.app, name="dead", rich_help_panel="Jobs")
app.add_typer(queues.app, name="queues", rich_help_panel="Look and steer")
app.add_typer(workers.app, name="workers", rich_help_panel="Look and steer")
app.command("doctor", rich_help_panel="Look and steer")(doctor.doctor)
app.command("stress", rich_help_panel="Look and steer")(stress.stress)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nexq {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A priority and scheduled job scheduler. Start with `nexq up`."""


@app.command("version", rich_help_panel="Look and steer")
def version() -> None:
    """Print the version."""
    _show_version(True)


def run() -> None:
    """Run the command line. Every error of nexq ends as a line on stderr and an exit code."""
    try:
        app()
    except NexqError as error:
        explain(error)
    except KeyboardInterrupt:
        sys.exit(130)
