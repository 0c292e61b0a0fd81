"""What every verb shares: its options, how it reaches a store, and how errors become exit codes.

Exit codes: 0 done; 1 refused or failed, with one line that says why; 2 the command line cannot be understood;
70 a worker gave up because its server was silent; 130 interrupted.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from nexq.backends import DEFAULT_URL, connect
from nexq.clock import seconds
from nexq.config import setting
from nexq.errors import BackendUnavailable, ConfigError, InvalidPayload, JobNotFound, NexqError, WorkerDeaf
from nexq.job import JobRecord
from nexq.store import Store

T = TypeVar("T")

#: How long a verb keeps trying while the server is away. A worker is more patient.
PATIENCE_S = 3.0
EXIT_DEAF = 70

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="NEXQ_URL", help=f"Where jobs are kept. Default: {DEFAULT_URL}", show_default=False),
]
Namespace = Annotated[
    str | None,
    typer.Option("--namespace", envvar="NEXQ_NAMESPACE", help="First part of every key. Default: nexq"),
]
AppOption = Annotated[
    str | None,
    typer.Option("--app", envvar="NEXQ_APP", help="module:attribute of the app; its handlers check the payload."),
]
AllowUnsafe = Annotated[
    bool,
    typer.Option("--allow-unsafe", help="Go on with a server whose settings would lose jobs."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of a table.")]
Queue = Annotated[str | None, typer.Option("--queue", "-q", help="Only this queue.")]
Type = Annotated[str | None, typer.Option("--type", "-t", help="Only jobs of this type.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=100_000, help="At most so many.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of jobs.", show_default=False)]
Queues = Annotated[
    str | None,
    typer.Option("--queues", envvar="NEXQ_QUEUES", help="Queues, with commas between.", metavar="A,B"),
]
Concurrency = Annotated[
    int | None, typer.Option("--concurrency", "-c", envvar="NEXQ_CONCURRENCY", help="Jobs at once. Default: 100")
]
Lease = Annotated[
    float | None,
    typer.Option("--lease", envvar="NEXQ_LEASE", help="A killed worker's jobs run again after this. Default: 15 s"),
]
Grace = Annotated[
    float | None,
    typer.Option("--grace", envvar="NEXQ_GRACE", help="How long running jobs may end at a stop. Default: 30 s"),
]
LogLevel = Annotated[
    str | None,
    typer.Option("--log-level", envvar="NEXQ_LOG_LEVEL", help="debug, info, warning or error. Default: info"),
]
LogFormat = Annotated[
    str | None, typer.Option("--log-format", envvar="NEXQ_LOG_FORMAT", help="console or json. Default: console")
]

RootPath = Annotated[
    str | None,
    typer.Option(
        "--root-path", envvar="NEXQ_ROOT_PATH", help="The path under which a proxy offers this server, as /nexq."
    ),
]


def read_root_path(text: str | None) -> str:
    """The prefix that `--root-path` gives, '' for none. Raises ConfigError."""
    from nexq.web.prefix import read_prefix

    return read_prefix(setting("root_path", text, ""))


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a verb's coroutine."""
    return asyncio.run(work)


def with_store(url: str | None, namespace: str | None, work: Callable[[Store], Awaitable[T]]) -> T:
    """Run a coroutine with a store. Looking at a store does not create one: an embedded folder must be there."""
    where = setting("url", url, DEFAULT_URL)
    _must_exist(where)

    async def main() -> T:
        store = Store(connect(where, patience_s=PATIENCE_S), setting("namespace", namespace, "nexq"))
        try:
            return await work(store)
        finally:
            await store.aclose()

    return asyncio.run(main())


def _must_exist(url: str) -> None:
    if not url.startswith("embedded:"):
        return
    from nexq.backends.embedded import parse_path

    path, _ = parse_path(url)
    if not path.exists():
        raise ConfigError(
            f"There are no jobs in {url} yet: the folder {path.resolve()} does not exist. "
            "Go to the folder where `nexq up` was started, or give --url (NEXQ_URL)."
        )


def export(**settings: str | bool | None) -> None:
    """Set given flags as environment variables, so that an app that is imported next is made with them."""
    from nexq.config import SETTINGS

    for name, value in settings.items():
        if value:
            os.environ[SETTINGS[name][0]] = "1" if value is True else value


def names(text: str | None) -> tuple[str, ...]:
    """`a,b` as names."""
    return tuple(part for part in (p.strip() for p in (text or "").split(",")) if part)


async def find(store: Store, id: str, queue: str | None) -> JobRecord:
    """A job, in a queue or wherever it is. Raises JobNotFound."""
    if queue is not None:
        return await store.views.get(queue, id)
    queues = (await store.views.directory()).queues
    try:
        return await store.views.find(id, queues)
    except JobNotFound:
        where = f"any of {len(queues):,} queues" if queues else "this store: it has no queues yet"
        raise NexqError(f"No job {id!r} in {where}. It never was, or its retention has passed.") from None


def positive(value: float, what: str) -> float:
    """A duration in seconds. Raises InvalidJob for one that is not."""
    return seconds(value, what)


def fail(text: str, code: int = 1) -> NoReturn:
    """End the program with a line on stderr."""
    typer.secho(f"Error: {text}", err=True, fg=None if os.environ.get("NO_COLOR") else "red")
    raise SystemExit(code)


def note(text: str) -> None:
    """A line on stderr, beside the output."""
    typer.echo(text, err=True)


def confirm(question: str, yes: bool, flag: str = "--yes") -> None:
    """Ask before something that cannot be undone. Without a terminal to ask on, refuse."""
    if yes:
        return
    if not sys.stdin.isatty():
        fail(f"{question} There is no terminal to ask on: say {flag} to do it.")
    if not typer.confirm(question, err=True):
        fail("Nothing was done.")


def explain(error: NexqError) -> NoReturn:
    """End the program with what an error says, and what to look at."""
    text = str(error)
    if isinstance(error, InvalidPayload):
        for problem in error.problems:
            if problem["message"] not in text:
                text += f"\n  {problem['pointer'] or '/'}: {problem['message']}"
    if isinstance(error, BackendUnavailable) and "embedded://" not in text:
        text += "\nIs the server running there? --url (NEXQ_URL) says where to look."
    with suppress(BrokenPipeError):
        fail(text, EXIT_DEAF if isinstance(error, WorkerDeaf) else 1)
    raise SystemExit(1)
