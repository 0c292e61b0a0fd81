"""Making a move on each of some jobs, and telling what came of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import typer

from nexq.cli.common import fail, find, note, with_store
from nexq.cli.output import print_json
from nexq.errors import BackendError, NexqError, UniqueConflict
from nexq.job import JobRecord
from nexq.states import JobState
from nexq.store import Store

#: What a verb does to a job: returns what to say of it, or raises NexqError.
Move = Callable[[Store, JobRecord], Awaitable[str]]


class Told(NamedTuple):
    """Where a job was, and how it is now."""

    queue: str
    now: str


def run_moves(
    ids: list[str], queue: str | None, move: Move, json: bool, url: str | None, namespace: str | None
) -> None:
    """Find each job and make a move on it."""

    async def one(store: Store, id: str) -> Told:
        job = await find(store, id, queue)
        return Told(job.queue, await move(store, job))

    run_each(ids, one, json, url, namespace)


def run_each(
    ids: list[str],
    one: Callable[[Store, str], Awaitable[Told]],
    json: bool,
    url: str | None,
    namespace: str | None,
) -> None:
    """Do something with each id and print what came of it; exit code 1 when one was refused."""

    async def work(store: Store) -> list[dict[str, Any]]:
        return [await _tell(store, id, one) for id in ids]

    told = with_store(url, namespace, work)
    failed = [f"{t['id']}: {t['error']}" for t in told if not t["ok"]]
    if json:
        print_json({"jobs": told})
    else:
        for t in told:
            if t["ok"]:
                typer.echo(f"{t['id']}  {t['now']}")
    if len(told) == len(failed) == 1:
        fail(failed[0])
    for line in failed:
        note(line)
    if failed:
        fail(f"{len(failed)} of {len(told)} jobs could not be changed.")


async def _tell(store: Store, id: str, one: Callable[[Store, str], Awaitable[Told]]) -> dict[str, Any]:
    try:
        queue, now = await one(store, id)
    except BackendError:
        raise
    except UniqueConflict as error:
        return {"id": id, "ok": False, "error": f"its unique key is held by the living job {error.holder}"}
    except NexqError as error:
        return {"id": id, "ok": False, "error": str(error)}
    return {"id": id, "queue": queue, "ok": True, "now": now}


async def retry_one(store: Store, job: JobRecord) -> str:
    """Revive a job that has ended badly, or run one now that is due later. Raises NexqError."""
    if job.state in (JobState.DEAD, JobState.CANCELLED):
        moved, state = await store.moves.revive(job.queue, job.id)
    else:
        moved, state = await store.moves.run_now(job.queue, job.id)
    if not moved and state is not JobState.READY:
        raise NexqError(f"it is {state.value}; dead, cancelled, retrying and scheduled jobs can be retried")
    return JobState.READY.value
