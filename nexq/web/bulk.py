"""Moves on many jobs at once, chosen by ids or by a filter; with `dry_run`, only counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from starlette.responses import Response

from nexq.errors import JobNotFound, UniqueConflict
from nexq.job import JobRecord
from nexq.registry import priority_of
from nexq.states import JobState
from nexq.store import Moves
from nexq.web.call import Call, answer
from nexq.web.listing import Filter, by_ids, collect, count, wanted_of
from nexq.web.models import Name, Priority, QueueName, Strict
from nexq.web.params import TAGS
from nexq.web.problems import Problem

#: Jobs moved by one call; `more` in the answer says that others remain.
MOST = 1000
#: Jobs that a dry run with more than a state and a queue looks at.
MOST_COUNTED = 200_000
#: Moves that are under way at once.
ABREAST = 50


class Which(Strict):
    """Which jobs: by id, or by filter."""

    ids: Annotated[list[Name] | None, Field(max_length=MOST)] = None
    queue: QueueName | None = None
    type: str | None = None
    q: Annotated[str | None, Field(description="Text in the id, the type, the payload or the last error.")] = None
    tag: Annotated[str | None, Field(pattern=TAGS, description="Tags by commas; all of them.")] = None
    worker: Annotated[str | None, Field(description="Who runs it, or ran it last.")] = None
    fingerprint: Annotated[str | None, Field(description="Of its last error, as GET /api/dead/groups tells it.")] = None
    cursor: Annotated[str | None, Field(description="The `next` of the call before.")] = None
    dry_run: bool = False
    oldest: Annotated[bool, Field(description="The oldest first.")] = False


class Bulk(Which):
    """Which jobs: by id, or by filter with a state."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [
                {"required": ["ids"], "properties": {"ids": {"type": "array"}}},
                {"required": ["state"], "properties": {"state": {"type": "string"}}},
            ]
        }
    )
    state: Annotated[JobState | None, Field(description="One state; required where no ids are given.")] = None


class BulkPriority(Bulk):
    """Which jobs, and the priority to give."""

    priority: Annotated[Priority, Field(description="0 to 9 (9 first), or low, normal, high.")]


#: Makes a move; why not, where it is not possible.
Move = Callable[[Moves, JobRecord], Awaitable[str | None]]


async def bulk_retry(call: Call) -> Response:
    """`POST /api/jobs:retry`."""
    return await bulk(call, await call.model(Bulk), _retry)


async def bulk_cancel(call: Call) -> Response:
    """`POST /api/jobs:cancel`."""
    return await bulk(call, await call.model(Bulk), _cancel)


async def bulk_delete(call: Call) -> Response:
    """`POST /api/jobs:delete`."""
    return await bulk(call, await call.model(Bulk), _delete)


async def bulk_promote(call: Call) -> Response:
    """`POST /api/jobs:promote`: jobs that are due later run now."""
    return await bulk(call, await call.model(Bulk), _promote)


async def bulk_reprioritize(call: Call) -> Response:
    """`POST /api/jobs:reprioritize`."""
    body = await call.model(BulkPriority)
    priority = priority_of(body.priority)

    async def reprioritize(moves: Moves, record: JobRecord) -> str | None:
        return why_not(*await moves.reprioritize(record.queue, record.id, priority))

    return await bulk(call, body, reprioritize)


async def bulk(call: Call, body: Bulk, move: Move) -> Response:
    """Make a move on the chosen jobs, or only count them."""
    if body.dry_run:
        return await preview(call, body)
    records, following = await chosen(call, body)
    return answer(await move_all(call, records, move) | {"more": following is not None, "next": following})


async def move_all(call: Call, records: list[JobRecord], move: Move) -> dict[str, Any]:
    """Make a move on each, some at a time; what came of it."""
    refused: list[dict[str, str]] = []
    for start in range(0, len(records), ABREAST):
        some = records[start : start + ABREAST]
        told = await asyncio.gather(*(attempt(call.store.moves, record, move) for record in some))
        refused += [{"id": record.id, "detail": why} for record, why in zip(some, told, strict=True) if why]
    return {"done": len(records) - len(refused), "refused": refused[:100], "refused_count": len(refused)}


async def preview(call: Call, body: Bulk) -> Response:
    """How many jobs match, and the first hundred."""
    if body.ids is not None:
        records, _ = await chosen(call, body)
        return answer({"matched": len(records), "more": False, "ids": [r.id for r in records[:100]]})
    matched, ids, more = await count(call, filter_of(body), 100, MOST_COUNTED)
    return answer({"matched": matched, "more": more, "ids": ids})


async def chosen(call: Call, body: Bulk) -> tuple[list[JobRecord], str | None]:
    """At most MOST jobs, and the cursor of those that follow."""
    if body.ids is not None:
        found = {record.id: record async for record in by_ids(call, body.ids, body.queue or "")}
        return [found[id] for id in body.ids if id in found], None
    wanted = filter_of(body)
    records: list[JobRecord] = []
    cursor: str | None = body.cursor or ""
    while cursor is not None and len(records) < MOST:
        page, cursor = await collect(call, wanted, MOST - len(records), cursor)
        records += page
    return records, cursor


def filter_of(body: Bulk) -> Filter:
    """The filter of a body. Raises Problem 422 where it names no state."""
    if body.state is None:
        raise Problem(422, "invalid-body", "Give ids, or a filter with a state.", errors=[_STATE_MISSING])
    wanted = wanted_of(*(part or "" for part in (body.type, body.tag, body.worker, body.fingerprint, body.q)))
    return Filter(body.queue or "", body.state, wanted, body.oldest)


_STATE_MISSING = {"pointer": "/state", "message": "required where no ids are given"}


async def attempt(moves: Moves, record: JobRecord, move: Move) -> str | None:
    """Make the move; why not, where it is not possible."""
    try:
        return await move(moves, record)
    except (JobNotFound, UniqueConflict) as error:
        return str(error)


async def _cancel(moves: Moves, record: JobRecord) -> str | None:
    state = await moves.cancel(record.queue, record.id)
    return why_not(state in (JobState.CANCELLED, JobState.RUNNING), state)


async def _delete(moves: Moves, record: JobRecord) -> str | None:
    return None if await moves.delete(record.queue, record.id) else "it is running"


async def _promote(moves: Moves, record: JobRecord) -> str | None:
    return why_not(*await moves.run_now(record.queue, record.id))


async def _retry(moves: Moves, record: JobRecord) -> str | None:
    if record.state in (JobState.DEAD, JobState.CANCELLED):
        return why_not(*await moves.revive(record.queue, record.id))
    return await _promote(moves, record)


def why_not(done: bool, state: JobState) -> str | None:
    """Why a move was not made, if it was not."""
    return None if done else f"it is {state.value}"
