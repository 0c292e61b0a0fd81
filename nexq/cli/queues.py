"""`nexq queues`: look at queues, pause and purge them."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
import typer

from nexq.cli.common import Json, Namespace, Url, Yes, confirm, with_store
from nexq.cli.output import ago, print_facts, print_json, print_table, span
from nexq.errors import InvalidJob, NexqError
from nexq.keys import check_queue
from nexq.states import JobState
from nexq.store import QueueView, Store
from nexq.store.moves import BATCH

app = typer.Typer(help="Look at queues, pause and purge them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.")]
SHOWN = (
    JobState.READY,
    JobState.RUNNING,
    JobState.RETRYING,
    JobState.SCHEDULED,
    JobState.COMPLETED,
    JobState.DEAD,
    JobState.CANCELLED,
)


@app.command("ls")
def ls(json: Json = False, url: Url = None, namespace: Namespace = None) -> None:
    """List the queues: how many jobs stand where, and how long the oldest ready one has waited."""

    async def work(store: Store) -> list[QueueView]:
        return [await store.views.queue(name) for name in (await store.views.directory()).queues]

    views = with_store(url, namespace, work)
    if json:
        print_json({"queues": [view.as_dict() for view in views]})
        return
    counts = [s.value for s in SHOWN]
    rows = [
        (
            view.name,
            *(view.counts.get(s, 0) for s in SHOWN),
            None if view.lag_s is None else span(view.lag_s),
            _paused(view),
        )
        for view in views
    ]
    print_table(("queue", *counts, "waiting for", "paused"), rows, "No queues.", numbers=(*counts, "waiting for"))


@app.command("show")
def show(queue: Name, json: Json = False, url: Url = None, namespace: Namespace = None) -> None:
    """Show one queue."""

    async def work(store: Store) -> tuple[QueueView, list[str]]:
        await _known(store, queue)
        directory = await store.views.directory()
        workers = [w.id for w in directory.workers if w.alive and queue in w.info.get("queues", [])]
        return await store.views.queue(queue), workers

    view, workers = with_store(url, namespace, work)
    if json:
        print_json({**view.as_dict(), "workers": workers})
        return
    print_facts(
        (
            ("queue", view.name),
            ("paused", _paused(view) or "no"),
            ("oldest ready waits for", None if view.lag_s is None else span(view.lag_s)),
            *((s.value, view.counts.get(s, 0)) for s in JobState),
            *((f"{name} in all", count) for name, count in sorted(view.totals.items())),
            ("workers", "\n".join(workers) or "none"),
        )
    )


@app.command("pause")
def pause(
    queue: Name,
    reason: Annotated[str, typer.Option("--reason", help="Why: shown wherever the queue is shown.")] = "",
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """Stop handing out a queue's jobs. Running ones go on, new ones are taken and wait."""

    async def work(store: Store) -> None:
        await _known(store, queue)
        await store.moves.pause(queue, orjson.dumps({"reason": reason}))

    with_store(url, namespace, work)
    typer.echo(f"Queue {queue!r} is paused.")


@app.command("resume")
def resume(queue: Name, url: Url = None, namespace: Namespace = None) -> None:
    """Hand out a paused queue's jobs again."""

    async def work(store: Store) -> None:
        await _known(store, queue)
        await store.moves.pause(queue, b"")

    with_store(url, namespace, work)
    typer.echo(f"Queue {queue!r} hands out its jobs.")


@app.command("purge")
def purge(
    queue: Name,
    state: Annotated[JobState, typer.Option("--state", "-s", help="Which jobs.")] = JobState.READY,
    yes: Yes = False,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """Delete a queue's jobs of one state, and all that is known of them."""
    if state is JobState.RUNNING:
        raise InvalidJob("Running jobs cannot be purged: cancel them, `nexq jobs cancel ID...`.")

    async def count(store: Store) -> int:
        await _known(store, queue)
        return (await store.views.queue(queue)).counts.get(state, 0)

    number = with_store(url, namespace, count)
    if number:
        confirm(f"Delete {number:,} {state.value} jobs of queue {queue!r} for good?", yes)
    purged = with_store(url, namespace, lambda store: purge_state(store, queue, state)) if number else 0
    if json:
        print_json({"purged": purged})
    else:
        typer.echo(f"{purged:,} jobs deleted")


async def purge_state(store: Store, queue: str, state: JobState) -> int:
    """Drop the jobs that are in a state now; those that come meanwhile are not chased for ever. How many."""
    left = (await store.views.queue(queue)).counts.get(state, 0)
    purged = 0
    while left > 0:
        dropped = await store.moves.purge(queue, state, min(BATCH, left))
        if not dropped:
            break
        purged += dropped
        left -= dropped
    return purged


async def _known(store: Store, queue: str) -> None:
    """Raise NexqError for a queue that nobody has used."""
    names = (await store.views.directory()).queues
    if check_queue(queue) not in names:
        raise NexqError(f"There is no queue {queue!r}. Known: {', '.join(names) or 'none yet'}.")


def _paused(view: QueueView) -> str | None:
    if view.paused is None:
        return None
    facts: dict[str, Any] = view.paused
    since = ago(facts.get("since_ms"))
    return " ".join(part for part in ("yes", since, f"({facts['reason']})" if facts.get("reason") else "") if part)
