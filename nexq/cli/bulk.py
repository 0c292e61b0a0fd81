"""`nexq enqueue -`: many jobs from a stream of JSON lines."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, Protocol, TextIO

import typer

from nexq.app import Bound, Nexq, Options
from nexq.cli.common import note
from nexq.cli.output import print_json, short
from nexq.cli.payload import parse_at, read_json
from nexq.errors import InvalidJob, NexqError
from nexq.registry import priority_of

#: Lines that are checked, then sent, together.
CHUNK = 1000
#: Key of a line -> the option it sets. The names of the REST API are taken too.
_KEYS = {
    "queue": "queue",
    "priority": "priority",
    "delay": "delay",
    "schedule_in": "delay",
    "at": "run_at",
    "run_at": "run_at",
    "unique": "unique",
    "unique_key": "unique",
    "id": "id",
    "max_attempts": "max_attempts",
    "timeout": "timeout",
    "max_deliveries": "max_deliveries",
    "tags": "tags",
}


class Progress(Protocol):
    """Shows how many jobs are in."""

    def __call__(self, done: int, read: int) -> None:
        """So many are in, from so many characters."""
        ...


async def enqueue_lines(app: Nexq, lines: TextIO, json: bool) -> None:
    """Submit the job of each line, `{"type": …, "payload": …, "priority": …}`. Blank lines are skipped.

    Raises InvalidJob that names the line; the lines of earlier chunks are in by then, and the message says how many.
    """
    begun = time.monotonic()
    count = duplicates = read = 0
    warned: set[str] = set()
    numbered = ((n, line) for n, line in enumerate(lines, 1) if line.strip())
    async with app:
        with _progress(_size(lines)) as show:
            while chunk := list(islice(numbered, CHUNK)):
                calls: list[Bound[Any]] = []
                for number, line in chunk:
                    try:
                        bound, warning = await _bound(app, line)
                    except NexqError as error:
                        where = f"Line {number}: {error}"
                        raise InvalidJob(f"{where} Jobs of the lines before that are in: {count:,}.") from None
                    if warning and warning not in warned:
                        warned.add(warning)
                        note(f"Warning: {warning}")
                    calls.append(bound)
                    read += len(line)
                jobs = await app.enqueue_many(calls)
                count += len(jobs)
                duplicates += sum(job.duplicate for job in jobs)
                show(count, read)
    seconds = time.monotonic() - begun
    if json:
        print_json({"enqueued": count - duplicates, "duplicates": duplicates, "seconds": round(seconds, 3)})
        return
    there = f", {duplicates:,} of them were there already" if duplicates else ""
    typer.echo(f"{count:,} jobs{there}, in {seconds:.2f} s")


async def _bound(app: Nexq, line: str) -> tuple[Bound[Any], str]:
    """The job of a line, checked, and a warning or ''. Raises InvalidJob."""
    value = read_json(line)
    if not isinstance(value, dict):
        raise InvalidJob(f'Expected an object such as {{"type": "…", "payload": …}}, got {short(line)}.')
    fields = dict(value)
    type = fields.pop("type", None)
    if not isinstance(type, str):
        raise InvalidJob('Expected "type" to be a string.' if type is not None else 'There is no "type".')
    payload = fields.pop("payload", {})
    options: dict[str, Any] = {}
    for name, given in fields.items():
        if name not in _KEYS:
            raise InvalidJob(f"Unknown key {name!r}. Known: type, payload, {', '.join(_KEYS)}.")
        if given is not None:
            options[_KEYS[name]] = given
    if "run_at" in options:
        options["run_at"] = parse_at(options["run_at"])
    if "priority" in options:
        options["priority"] = priority_of(options["priority"])
    drafted, warning = await app.draft(type, payload, Options(**options))
    return Bound(drafted), warning


def _size(lines: TextIO) -> int | None:
    """How long a stream is, None where that is not known: for a file, not for a pipe."""
    with suppress(OSError, ValueError):
        about = os.fstat(lines.fileno())
        if stat.S_ISREG(about.st_mode):
            return about.st_size
    return None


@contextmanager
def _progress(total: int | None) -> Iterator[Progress]:
    """A line that counts, on a terminal; with a bar where the end is known."""
    if not sys.stderr.isatty():
        yield lambda done, read: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

    bar = (BarColumn(), TaskProgressColumn()) if total else (SpinnerColumn(),)
    columns = (TextColumn("enqueued {task.fields[jobs]:,}"), *bar, TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total, jobs=0)
        # Characters for bytes: good enough for a bar.
        yield lambda done, read: shown.update(task, completed=read, jobs=done)
