"""`nexq enqueue`: submit a job, or many from stdin."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from nexq.app import Job, Nexq
from nexq.cli import logs
from nexq.cli.appref import load_app
from nexq.cli.common import (
    PATIENCE_S,
    AllowUnsafe,
    AppOption,
    Json,
    Namespace,
    Url,
    explain,
    export,
    fail,
    note,
    run_async,
)
from nexq.cli.moduleref import Modules, load_for, load_modules
from nexq.cli.output import print_json
from nexq.cli.payload import parse_at, parse_payload
from nexq.cli.schema import build
from nexq.cli.worker import warn_of_own_url
from nexq.config import setting
from nexq.errors import JobCancelled, JobFailed, ResultTimeout
from nexq.registry import priority_of

_FOREVER = float("inf")


class _Command(TyperCommand):
    """Lets `--wait` stand without a number: wait without limit."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse, with the number put in where it was left out."""
        filled: list[str] = []
        for i, arg in enumerate(args):
            filled.append(arg)
            if arg == "--wait" and "--" not in args[:i] and not _is_number(args[i + 1] if i + 1 < len(args) else ""):
                filled.append(str(_FOREVER))
        return super().parse_args(ctx, filled)


COMMAND = _Command


def enqueue(
    type: Annotated[str, typer.Argument(metavar="TYPE", help="The job's type; `-`: jobs from stdin, one JSON a line.")],
    payload: Annotated[
        str | None,
        typer.Argument(metavar="PAYLOAD", help="JSON, or a plain string; `-`: from stdin.", show_default=False),
    ] = None,
    delay: Annotated[float | None, typer.Option("--delay", "-d", help="Run so many seconds from now.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="Run at this time, ISO 8601 with time zone.")] = None,
    priority: Annotated[
        str | None, typer.Option("--priority", "-P", help="0 to 9 (9 first), or low, normal, high.")
    ] = None,
    queue: Annotated[str | None, typer.Option("--queue", "-q", help="Default: the handler's own.")] = None,
    unique: Annotated[str | None, typer.Option("--unique", help="At most one live job has this key.")] = None,
    id: Annotated[str | None, typer.Option("--id", help="An id of one's own; a known one changes nothing.")] = None,
    max_attempts: Annotated[int | None, typer.Option("--max-attempts", help="Runs in all.")] = None,
    timeout: Annotated[float | None, typer.Option("--timeout", help="Seconds for each run.")] = None,
    tag: Annotated[
        list[str] | None, typer.Option("--tag", help="A word to find it by; again for each.", show_default=False)
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option("--wait", metavar="[S]", help="Wait for the result, at most S seconds, and print it."),
    ] = None,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="KEY=VALUE",
            help="A field of the payload, as its schema wants it; again for each; KEY:=JSON: taken as JSON.",
            show_default=False,
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a type that nobody knows.")] = False,
    json: Json = False,
    app: AppOption = None,
    module: Modules = None,
    url: Url = None,
    namespace: Namespace = None,
    allow_unsafe: AllowUnsafe = False,
) -> None:
    """Submit a job: nexq enqueue send_email '{"to": "a@b.c"}' --delay 60."""
    logs.quiet()
    export(url=url, namespace=namespace, allow_unsafe=allow_unsafe)
    nexq = _app(app, url, namespace, strict)
    if type == "-":
        from nexq.cli.bulk import enqueue_lines

        run_async(enqueue_lines(nexq, sys.stdin, json))
        return
    options: dict[str, Any] = {
        "delay": delay,
        "run_at": parse_at(at) if at is not None else None,
        "priority": priority_of(priority) if priority is not None else None,
        "queue": queue,
        "unique": unique,
        "id": id,
        "max_attempts": max_attempts,
        "timeout": timeout,
        "tags": tag or (),
    }
    text = sys.stdin.read() if payload == "-" else payload
    value = {} if text is None else parse_payload(text)
    load_modules(nexq, module, all_found=False)
    load_for(nexq, type)
    code = run_async(_enqueue(nexq, type, value, values, options, wait, json))
    raise typer.Exit(code)


def _app(ref: str | None, url: str | None, namespace: str | None, strict: bool) -> Nexq:
    """The app to submit through: the user's, when they named it, else one without handlers."""
    named = setting("app", ref, "")
    app = load_app(named) if named else Nexq(patience=PATIENCE_S)
    if named:
        warn_of_own_url(app, url, namespace)
        app.patience_s = PATIENCE_S
    app.strict = app.strict or strict
    return app


async def _enqueue(
    app: Nexq,
    type: str,
    payload: Any,
    values: list[str] | None,
    options: dict[str, Any],
    wait_s: float | None,
    json: bool,
) -> int:
    async with app:
        if values:
            payload = build(await _schema(app, type), values, payload)
        job = await app.enqueue(type, payload, **options)
        if job.warning:
            note(f"Warning: {job.warning}")
        if wait_s is not None:
            return await _wait(job, wait_s, json)
        if json:
            print_json({"id": job.id, "queue": job.queue, "type": type, "duplicate": job.duplicate})
        else:
            typer.echo(job.id)
            when = _when(options["delay"], options["run_at"])
            there = ": it was there already, nothing was changed" if job.duplicate else when
            note(f"{type} in queue {job.queue!r}{there}")
    return 0


async def _schema(app: Nexq, type: str) -> Mapping[str, Any] | None:
    """What is known of a type's payload: from the app and its modules, else from what workers have published."""
    spec = app.registry.get(type)
    if spec is not None:
        return spec.signature.json_schema() or None
    about = (await app.link().published()).get(type, {})
    return about.get("schema") or None


async def _wait(job: Job[Any], wait_s: float, json: bool) -> int:
    """Wait for the job's end and print how it ended. Returns the exit code."""
    try:
        result = await job.result(None if wait_s == _FOREVER else wait_s)
    except JobFailed as error:
        if json:
            print_json((await job.refresh()).as_dict())
        elif error.traceback:
            note(error.traceback.rstrip())
        fail(str(error))
    except (JobCancelled, ResultTimeout) as error:
        if json:
            print_json((await job.refresh()).as_dict())
        explain(error)
    if json:
        print_json((await job.refresh()).as_dict())
    else:
        print_json(result)
    return 0


def _when(delay: float | None, run_at: datetime | None) -> str:
    if run_at is not None:
        return f", due at {run_at.isoformat()}"
    return f", due in {delay:g} s" if delay else ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
