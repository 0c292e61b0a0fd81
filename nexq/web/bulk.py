"""Moves on many jobs at once, chosen by ids or by a filter; with `dry_run`, only counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from nexq.errors import JobNotFound, UniqueConflict
from nexq.job import JobRecord
from nexq.states import JobState
from nexq.web.call import Call, answer
from nexq.web.listing import Filter, answer_page, collect, read_filter
from nexq.web.models import Name, QueueName, Strict
from nexq.web.problems import Problem

#: Jobs moved by one call; `more` in the answer says that others remain.
MOST = 1000


class Bulk(Strict):
    """Which jobs: by id, or by filter."""

    ids: Annotated[list[Name] | None, Field(max_length=MOST)] = None
    queue: QueueName | None = None
    state: Annotated[JobState | None, Field(description="One state; required where no ids are given.")] = None
    type: str | None = None
    q: Annotated[str | None, Field(description="Text in the id, the type, the payload or the last error.")] = None
    dry_run: bool = False


class Revive(Strict):
    """Which dead jobs."""

    ids: Annotated[list[Name] | None, Field(max_length=MOST)] = None
    queue: QueueName | None = None
    type: str | None = None
    q: str | None = None
    dry_run: bool = False


async def bulk_retry(call: Call) -> Response:
    """`POST /api/jobs:retry`."""
    return await _bulk(call, await call.model(Bulk), "retry")


async def bulk_cancel(call: Call) -> Response:
    """`POST /api/jobs:cancel`."""
    return await _bulk(call, await call.model(Bulk), "cancel")


async def bulk_delete(call: Call) -> Response:
    """`POST /api/jobs:delete`."""
    return await _bulk(call, await call.model(Bulk), "delete")


async def revive_dead(call: Call) -> Response:
    """`POST /api/dead:revive`: dead jobs, all that match."""
    body = await call.model(Revive)
    wanted = Bulk(**body.model_dump(), state=None if body.ids else JobState.DEAD)
    return await _bulk(call, wanted, "retry")


async def list_dead(call: Call) -> Response:
    """`GET /api/dead`: the listing of dead jobs, newest first."""
    wanted = replace(read_filter(call), state=JobState.DEAD)
    return await answer_page(call, wanted)


async def _bulk(call: Call, body: Bulk, verb: Literal["retry", "cancel", "delete"]) -> Response:
    records, more = await _chosen(call, body)
    if body.dry_run:
        return answer({"matched": len(records), "more": more, "ids": [r.id for r in records[:100]]})
    done, refused = 0, []
    for record in records:
        problem = await _move(call, record, verb)
        if problem is None:
            done += 1
        else:
            refused.append({"id": record.id, "detail": problem})
    return answer({"done": done, "refused": refused[:100], "refused_count": len(refused), "more": more})


async def _chosen(call: Call, body: Bulk) -> tuple[list[JobRecord], bool]:
    if body.ids is not None:
        queues = [body.queue] if body.queue else (await call.store.views.directory()).queues
        found: dict[str, JobRecord] = {}
        for queue in queues:
            if call.principal.may_touch(queue):
                for record in await call.store.views.get_many(queue, body.ids):
                    if record is not None:
                        found[record.id] = record
        return [found[id] for id in body.ids if id in found], False
    if body.state is None:
        raise Problem(422, "invalid-body", "Give ids, or a filter with a state.", errors=[_STATE_MISSING])
    wanted = Filter(body.queue or "", body.state, body.type or "", body.q or "")
    records: list[JobRecord] = []
    cursor: str | None = ""
    while cursor is not None and len(records) < MOST:
        page, cursor = await collect(call, wanted, MOST - len(records), cursor)
        records += page
    return records, cursor is not None


_STATE_MISSING = {"pointer": "/state", "message": "required where no ids are given"}


async def _move(call: Call, record: JobRecord, verb: str) -> str | None:
    """Make the move; why not, where it is not possible."""
    moves = call.store.moves
    try:
        if verb == "cancel":
            state = await moves.cancel(record.queue, record.id)
            return None if state in (JobState.CANCELLED, JobState.RUNNING) else f"it is {state.value}"
        if verb == "delete":
            return None if await moves.delete(record.queue, record.id) else "it is running"
        if record.state in (JobState.DEAD, JobState.CANCELLED):
            done, state = await moves.revive(record.queue, record.id)
        else:
            done, state = await moves.run_now(record.queue, record.id)
        return None if done else f"it is {state.value}"
    except (JobNotFound, UniqueConflict) as error:
        return str(error)
