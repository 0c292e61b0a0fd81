"""Dead letters over HTTP: grouped by what they died of, and brought back, at a limited rate where asked for."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from nexq.errors import JobNotFound
from nexq.job import JobRecord
from nexq.states import JobState
from nexq.store import Grave, Moves
from nexq.web.bulk import Bulk, Which, chosen, move_all, preview, why_not
from nexq.web.call import Call, answer
from nexq.web.listing import answer_page, read_filter
from nexq.web.problems import Problem
from nexq.web.queues import chosen_queues

#: Dead jobs that are looked at for groups, and groups that are told.
MOST_LOOKED_AT = 100_000
MOST_GROUPS = 200
#: A cursor of a revival at a rate: when the next job is due, and where the listing stands.
_PACED = re.compile(r"(\d{1,16}(?:\.\d{1,3})?)~(.*)", re.ASCII)


class Revive(Which):
    """Which dead jobs, and how fast they come back."""

    rate: Annotated[
        float | None, Field(gt=0, le=1e6, description="Jobs a second: they are due one after the other.")
    ] = None


@dataclass(slots=True)
class Group:
    """Dead jobs of some queues that died of the same."""

    fingerprint: str
    first_ms: float
    last_ms: float
    sample: tuple[str, str]
    types: dict[str, int] = field(default_factory=dict)
    queues: set[str] = field(default_factory=set)

    def add(self, queue: str, grave: Grave) -> None:
        """Take more of them in."""
        if grave.last_ms >= self.last_ms:
            self.last_ms, self.sample = grave.last_ms, (queue, grave.id)
        self.first_ms = min(self.first_ms, grave.first_ms)
        self.queues.add(queue)
        for type, n in grave.types.items():
            self.types[type] = self.types.get(type, 0) + n

    @property
    def count(self) -> int:
        """How many there are."""
        return sum(self.types.values())


async def list_dead(call: Call) -> Response:
    """`GET /api/dead`: the listing of dead jobs, newest first."""
    return await answer_page(call, read_filter(call, JobState.DEAD))


async def list_groups(call: Call) -> Response:
    """`GET /api/dead/groups`: dead jobs by the fingerprint of their last error, the largest groups first."""
    groups: dict[str, Group] = {}
    total = 0
    more = False
    for queue in await chosen_queues(call):
        after: tuple[str, str] | None = ("", "")
        while after is not None:
            if total >= MOST_LOOKED_AT:
                more = True
                break
            looked, graves, after = await call.store.views.graves(queue, after)
            total += looked
            for grave in graves:
                new = Group(grave.fingerprint, grave.first_ms, grave.last_ms, (queue, grave.id))
                groups.setdefault(grave.fingerprint, new).add(queue, grave)
    largest = sorted(groups.values(), key=lambda group: (-group.count, -group.last_ms))
    shown = [await _shown(call, group) for group in largest[:MOST_GROUPS]]
    return answer({"groups": shown, "total": total, "more": more or len(largest) > MOST_GROUPS})


async def _shown(call: Call, group: Group) -> dict[str, Any]:
    queue, id = group.sample
    try:
        error = (await call.store.views.get(queue, id)).last_error
    except JobNotFound:
        # It was revived or deleted meanwhile.
        error = ""
    by_count = sorted(group.types.items(), key=lambda pair: (-pair[1], pair[0]))
    return {
        "fingerprint": group.fingerprint,
        "error": error,
        "count": group.count,
        "first_ms": group.first_ms,
        "last_ms": group.last_ms,
        "handlers": [{"type": type, "count": n} for type, n in by_count[:20]],
        "queues": sorted(group.queues),
        "sample": {"id": id, "queue": queue},
    }


async def revive_dead(call: Call) -> Response:
    """`POST /api/dead:revive`: dead jobs, all that match; at a rate, the oldest first."""
    body = await call.model(Revive)
    given = dict(body)
    rate = given.pop("rate")
    wanted = Bulk.model_construct(**given, state=None if body.ids else JobState.DEAD)
    if body.dry_run:
        return await preview(call, wanted)
    due_ms = None
    if rate is not None:
        wanted.oldest = True
        due_ms, wanted.cursor = await _read_paced(call, body.cursor)
    records, following = await chosen(call, wanted)
    dues = _dues(due_ms, rate)
    due_of = {(record.queue, record.id): next(dues) for record in records}

    async def revive(moves: Moves, record: JobRecord) -> str | None:
        if record.state in (JobState.DEAD, JobState.CANCELLED):
            return why_not(*await moves.revive(record.queue, record.id, due_of[record.queue, record.id]))
        return why_not(*await moves.run_now(record.queue, record.id))

    told = await move_all(call, records, revive)
    if due_ms is not None and rate is not None:
        until_ms = next(dues)
        told["until_ms"] = until_ms - 1000 / rate if records else None
        following = None if following is None else f"{until_ms:.3f}~{following}"
    return answer(told | {"more": following is not None, "next": following})


def _dues(due_ms: float | None, rate: float | None) -> Any:
    """When each of the jobs is due: one after the other."""
    if due_ms is None or rate is None:
        return itertools.repeat(None)
    return (due_ms + i * 1000 / rate for i in itertools.count())


async def _read_paced(call: Call, cursor: str | None) -> tuple[float, str]:
    """(when the next job is due, the listing's cursor)."""
    now_ms = (await call.store.views.directory()).now_ms
    if not cursor:
        return now_ms, ""
    found = _PACED.fullmatch(cursor)
    if found is None:
        raise Problem(400, "bad-cursor", "The cursor is not one of a revival at a rate; start without one.")
    return max(now_ms, float(found[1])), found[2]
