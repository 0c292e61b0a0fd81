"""`nexq jobs`: look at jobs and move them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated

import typer

from nexq.cli.common import Ids, Json, Limit, Namespace, Queue, Type, Url, find, note, with_store
from nexq.cli.moves import Told, retry_one, run_each, run_moves
from nexq.cli.output import ago, at, print_facts, print_json, print_table, short, span
from nexq.errors import JobNotFound, NexqError
from nexq.job import JobRecord
from nexq.keys import check_queue
from nexq.payload import loads
from nexq.registry import priority_of
from nexq.states import JobState
from nexq.store import Store

app = typer.Typer(help="Look at jobs and move them.", no_args_is_help=True)

#: Without --state: the living first, then those who ended.
ORDER = (
    JobState.RUNNING,
    JobState.READY,
    JobState.RETRYING,
    JobState.SCHEDULED,
    JobState.BLOCKED,
    JobState.DEAD,
    JobState.CANCELLED,
    JobState.COMPLETED,
)
#: With --type: most jobs of one state of one queue that are looked at.
LOOKED_AT = 10_000


@app.command("ls")
def ls(
    state: Annotated[JobState | None, typer.Option("--state", "-s", help="Only jobs in this state.")] = None,
    queue: Queue = None,
    type: Type = None,
    limit: Limit = 50,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """List jobs: ready ones in the order they will run, others newest first."""
    states = ORDER if state is None else (state,)
    jobs, more = with_store(url, namespace, lambda store: select(store, states, queue, type, limit))
    show_list(jobs, more, json)


@app.command("show")
def show(
    id: Annotated[str, typer.Argument(metavar="ID", help="The job's id.")],
    queue: Queue = None,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """Show all that is known of a job: payload, result, attempts."""
    record = with_store(url, namespace, lambda store: find(store, id, queue))
    if json:
        print_json(record.as_dict())
    else:
        _print_job(record)


@app.command("cancel")
def cancel(ids: Ids, queue: Queue = None, json: Json = False, url: Url = None, namespace: Namespace = None) -> None:
    """End jobs: at once when they wait, through their worker when they run."""

    async def move(store: Store, job: JobRecord) -> str:
        after = await store.moves.cancel(job.queue, job.id)
        if after is JobState.RUNNING:
            return "running: its worker was told to stop it"
        if after is not JobState.CANCELLED:
            raise NexqError(f"it has ended: {after.value}")
        return after.value

    run_moves(ids, queue, move, json, url, namespace)


@app.command("retry")
def retry(ids: Ids, queue: Queue = None, json: Json = False, url: Url = None, namespace: Namespace = None) -> None:
    """Run jobs again: dead and cancelled ones get another life, retrying and scheduled ones run now."""
    run_moves(ids, queue, retry_one, json, url, namespace)


@app.command("run-now")
def run_now(ids: Ids, queue: Queue = None, json: Json = False, url: Url = None, namespace: Namespace = None) -> None:
    """Make scheduled or retrying jobs ready now."""

    async def move(store: Store, job: JobRecord) -> str:
        moved, state = await store.moves.run_now(job.queue, job.id)
        if not moved and state is not JobState.READY:
            raise NexqError(f"it is {state.value}; only scheduled and retrying jobs can run earlier")
        return JobState.READY.value

    run_moves(ids, queue, move, json, url, namespace)


@app.command("prioritize")
def prioritize(
    id: Annotated[str, typer.Argument(metavar="ID", help="The job's id.")],
    priority: Annotated[str, typer.Argument(metavar="PRIORITY", help="0 to 9 (9 first), or low, normal, high.")],
    queue: Queue = None,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
) -> None:
    """Change a waiting job's priority."""
    wanted = priority_of(priority)

    async def move(store: Store, job: JobRecord) -> str:
        moved, state = await store.moves.reprioritize(job.queue, job.id, wanted)
        if not moved:
            raise NexqError(f"it is {state.value}; its priority no longer matters")
        return f"priority {wanted}"

    run_moves([id], queue, move, json, url, namespace)


@app.command("rm")
def rm(ids: Ids, queue: Queue = None, json: Json = False, url: Url = None, namespace: Namespace = None) -> None:
    """Delete jobs and all that is known of them. A running one must be cancelled first."""
    run_each(ids, lambda store, id: _remove(store, id, queue), json, url, namespace)


# -- Shared with `nexq dead`


async def select(
    store: Store, states: tuple[JobState, ...], queue: str | None, type: str | None, limit: int
) -> tuple[list[JobRecord], bool]:
    """At most `limit` jobs in some states, and whether there may be more."""
    queues = [check_queue(queue)] if queue else (await store.views.directory()).queues
    found: list[JobRecord] = []
    more = False
    for state in states:
        for name in queues:
            looked_at = 0
            async for job in _walk(store, name, state):
                looked_at += 1
                if looked_at > LOOKED_AT:
                    more = True
                    break
                if type is not None and job.spec.type != type:
                    continue
                if len(found) == limit:
                    return found, True
                found.append(job)
    return found, more


def _walk(store: Store, queue: str, state: JobState) -> AsyncIterator[JobRecord]:
    # What is due later: the next one first.
    return store.views.walk(queue, state, newest=state not in (JobState.SCHEDULED, JobState.RETRYING))


def show_list(jobs: list[JobRecord], more: bool, json: bool) -> None:
    """Print jobs."""
    if json:
        print_json({"jobs": [job.as_dict() for job in jobs], "more": more})
        return
    columns = ("id", "type", "queue", "state", "prio", "try", "when", "about")
    rows = [
        (
            job.id,
            job.spec.type,
            job.queue,
            job.state.value,
            job.spec.priority,
            job.run.attempt,
            _when(job),
            _about(job),
        )
        for job in jobs
    ]
    print_table(columns, rows, "No jobs.", numbers=("prio", "try"))
    if more:
        note(f"There are more than these {len(jobs):,}: see --limit, --state, --queue, --type.")


async def _remove(store: Store, id: str, queue: str | None) -> Told:
    """Delete a job, also one that is damaged: its queue is found by trying. Raises NexqError."""
    for name in [check_queue(queue)] if queue else (await store.views.directory()).queues:
        with suppress(JobNotFound):
            if not await store.moves.delete(name, id):
                raise NexqError(f"it is running; `nexq jobs cancel {id}` first")
            return Told(name, "deleted")
    raise JobNotFound(id, queue or "any")


def _when(job: JobRecord) -> str | None:
    """The time that matters most in the job's state."""
    if job.state is JobState.RUNNING:
        return f"started {ago(job.run.started_ms)}"
    if job.state in (JobState.READY, JobState.BLOCKED):
        return f"enqueued {ago(job.spec.enqueued_ms)}"
    if job.state.ended:
        return ago(job.score_ms)
    return f"due {ago(job.score_ms)}"


def _about(job: JobRecord) -> str:
    if job.state in (JobState.DEAD, JobState.RETRYING) and job.last_error:
        return short(job.last_error)
    return short(job.spec.payload.decode(errors="replace"))


def _print_job(job: JobRecord) -> None:
    times = {
        JobState.RUNNING: "lease until",
        JobState.SCHEDULED: "due",
        JobState.RETRYING: "due",
        JobState.READY: "ready",
        JobState.BLOCKED: "blocked",
    }
    ended = job.state.ended and job.run.started_ms
    print_facts(
        (
            ("id", job.id),
            ("type", job.spec.type),
            ("queue", job.queue),
            ("state", job.state.value + (" (asked to cancel)" if job.cancel_requested else "")),
            ("priority", job.spec.priority),
            ("unique key", job.spec.unique or None),
            *((name.replace("_", " "), value) for name, value in job.spec.options.items()),
            ("payload", job.spec.payload.decode(errors="replace")),
            ("enqueued", at(job.spec.enqueued_ms)),
            ("started", at(job.run.started_ms)),
            (times.get(job.state, "ended"), at(job.score_ms) if job.state is not JobState.READY else None),
            ("took", span((job.score_ms - job.run.started_ms) / 1000) if ended else None),
            ("worker", job.run.worker or None),
            ("attempt", job.run.attempt or None),
            ("result", None if job.result is None else short(str(loads(job.result)), 2000)),
        )
    )
    for attempt in job.attempts:
        text = ": ".join(str(attempt.error[k]) for k in ("type", "message") if attempt.error.get(k))
        took = span(max(0, attempt.ended_ms - attempt.started_ms) / 1000)
        typer.echo(f"\nattempt {attempt.attempt}: {attempt.outcome} {at(attempt.ended_ms)}, after {took}, {text}")
        if trace := attempt.error.get("traceback"):
            typer.echo("  " + str(trace).rstrip().replace("\n", "\n  "))
