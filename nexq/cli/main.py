"""The command `nexq`."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Annotated, Any

import typer

from nexq import __version__
from nexq.cli.common import explain
from nexq.errors import NexqError

#: Verb -> the heading it stands under. A verb's module has its name; a group of verbs is the module's `app`.
VERBS = {
    "up": "Run",
    "worker": "Run",
    "server": "Run",
    "bridge": "Run",
    "publish": "Run",
    "enqueue": "Jobs",
    "jobs": "Jobs",
    "dead": "Jobs",
    "queues": "Look and steer",
    "workers": "Look and steer",
    "modules": "Look and steer",
    "token": "Look and steer",
    "doctor": "Look and steer",
    "stress": "Look and steer",
}


def build(only: str = "") -> typer.Typer:
    """The command with all its verbs, or with one: building the others would take longer than most verbs run."""
    app = typer.Typer(
        name="nexq",
        help="A priority and scheduled job scheduler. Start with `nexq up`.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    for verb in (only,) if only in VERBS else VERBS:
        module: Any = import_module(f"nexq.cli.{verb}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=verb, rich_help_panel=VERBS[verb])
        else:
            app.command(verb, cls=getattr(module, "COMMAND", None), rich_help_panel=VERBS[verb])(getattr(module, verb))
    if only not in VERBS:
        app.command("version", rich_help_panel="Look and steer")(version)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nexq {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A priority and scheduled job scheduler. Start with `nexq up`."""


def version() -> None:
    """Print the version."""
    _show_version(True)


def run() -> None:
    """Run the command line. Every error of nexq ends as a line on stderr and an exit code."""
    verb = sys.argv[1] if len(sys.argv) > 1 and "_NEXQ_COMPLETE" not in os.environ else ""
    try:
        build(verb)(prog_name="nexq")
    except NexqError as error:
        explain(error)
    except KeyboardInterrupt:
        sys.exit(130)
