"""`nexq workers`: look at workers and tell them what to do."""

from __future__ import annotations

from typing import Annotated

import typer

from nexq.cli.common import Json, Namespace, Url, with_store
from nexq.cli.output import ago, print_json, print_table
from nexq.errors import NexqError
from nexq.store import Store, WorkerView

app = typer.Typer(help="Look at workers and tell them what to do.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="WORKER", help="The worker's id, or the beginning of it.")]


@app.command("ls")
def ls(
    all: Annotated[bool, typer.Option("--all", help="Those that are gone, too.")] = False,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """List the workers as they last told of themselves."""

    async def work(store: Store) -> list[WorkerView]:
        return [w for w in (await store.views.directory()).workers if w.alive or all]

    workers = with_store(url, namespace, work)
    if json:
        print_json({"workers": [w.as_dict() for w in workers]})
        return
    rows = [
        (
            w.id,
            w.info.get("state", "?") if w.alive else f"gone {ago(w.alive_until_ms)}",
            ",".join(w.info.get("queues", [])),
            w.info.get("running"),
            w.info.get("concurrency"),
            w.info.get("done"),
            w.info.get("failed"),
        )
        for w in workers
    ]
    numbers = ("running", "of", "done", "not done")
    print_table(("worker", "state", "queues", *numbers), rows, "No workers.", numbers=numbers)


@app.command("set-concurrency")
def set_concurrency(
    id: Id,
    number: Annotated[int, typer.Argument(min=1, max=10_000, help="Jobs at once.")],
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """Change how many jobs a worker runs at once, until it is started anew."""
    _order(id, f"concurrency {number}", url, namespace, f"was told to run {number:,} jobs at once")


@app.command("drain")
def drain(id: Id, url: Url = None, namespace: Namespace = None) -> None:
    """Have a worker take no more jobs; it finishes those it has, and stays."""
    _order(id, "drain", url, namespace, "was told to take no more jobs")


@app.command("resume")
def resume(id: Id, url: Url = None, namespace: Namespace = None) -> None:
    """Have a drained worker take jobs again."""
    _order(id, "resume", url, namespace, "was told to take jobs again")


@app.command("stop")
def stop(id: Id, url: Url = None, namespace: Namespace = None) -> None:
    """Have a worker finish what it has, and end."""
    _order(id, "stop", url, namespace, "was told to finish and end")


def _order(id: str, order: str, url: str | None, namespace: str | None, told: str) -> None:
    async def work(store: Store) -> str:
        alive = [w.id for w in (await store.views.directory()).workers if w.alive]
        named = [w for w in alive if w == id] or [w for w in alive if w.startswith(id)]
        if len(named) != 1:
            found = f"{len(named)} workers begin with" if named else "No living worker is called"
            raise NexqError(f"{found} {id!r}. Living: {', '.join(alive) or 'none'}.")
        await store.members.order(named[0], order)
        return named[0]

    worker = with_store(url, namespace, work)
    typer.echo(f"Worker {worker} {told}.")
