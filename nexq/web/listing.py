"""Listing jobs over queues and states, page by page, with an opaque cursor."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from nexq.job import JobRecord
from nexq.keys import check_queue
from nexq.states import PRIORITIES, JobState
from nexq.web.call import Call, answer
from nexq.web.problems import Problem

#: Records looked at for one page, where a filter lets few through.
MOST_SCANNED = 2000
#: A score as the server writes it, or none.
_SCORE = re.compile(r"(-?\d{1,20}(\.\d{1,20})?(e[+-]\d{1,2})?)?", re.ASCII)
_NEWEST_FIRST = frozenset({JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED})


@dataclass(frozen=True, slots=True)
class Lane:
    """One sorted set to walk: a state of a queue; ready jobs of one priority."""

    queue: str
    state: JobState
    priority: int | None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a listing shows."""

    queue: str
    state: JobState | None
    type: str
    text: str

    def lanes(self, queues: Iterable[str]) -> list[Lane]:
        """The sets to walk, in order."""
        states = [self.state] if self.state is not None else list(JobState)
        lanes: list[Lane] = []
        for queue in [self.queue] if self.queue else queues:
            for state in states:
                priorities = reversed(PRIORITIES) if state is JobState.READY else (None,)
                lanes += (Lane(queue, state, p) for p in priorities)
        return lanes

    def passes(self, record: JobRecord) -> bool:
        """Whether a job is shown. Text is looked for in the id, the type, the payload and the last error."""
        if self.type and record.spec.type != self.type:
            return False
        if not self.text:
            return True
        where = (record.id, record.spec.type, record.spec.payload.decode(errors="replace"), record.last_error)
        return any(self.text in part for part in where)


def read_filter(call: Call) -> Filter:
    """The filter of a query. Raises Problem 400."""
    state = call.query("state")
    if state and state not in {s.value for s in JobState}:
        known = ", ".join(s.value for s in JobState)
        raise Problem(400, "bad-query", f"Unknown state {state!r}. Known: {known}.")
    queue = call.query("queue")
    if queue:
        check_queue(queue)
    return Filter(queue, JobState(state) if state else None, call.query("type"), call.query("q"))


async def list_jobs(call: Call) -> Response:
    """`GET /api/jobs`, `GET /api/tasks`."""
    return await answer_page(call, read_filter(call))


async def answer_page(call: Call, wanted: Filter) -> Response:
    """One page as the query's limit and cursor say."""
    limit = call.query_int("limit", 50, 1, 500)
    records, cursor = await collect(call, wanted, limit, call.query("cursor"))
    headers = {}
    if cursor is not None:
        url = call.request.url.include_query_params(cursor=cursor)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return answer({"jobs": [r.as_dict() for r in records], "next": cursor}, 200, headers)


async def collect(call: Call, wanted: Filter, limit: int, cursor: str) -> tuple[list[JobRecord], str | None]:
    """Up to `limit` records that pass, and the cursor of what follows (None: nothing)."""
    views = call.store.views
    queues = [wanted.queue] if wanted.queue else (await views.directory()).queues
    queues = [queue for queue in queues if call.principal.may_touch(queue)]
    start = _read_cursor(cursor)
    records: list[JobRecord] = []
    scanned = 0
    for queue in queues:
        if queue < start.queue:
            continue
        counts = (await views.queue(queue)).counts
        for place, lane in enumerate(wanted.lanes([queue])):
            if (queue, place) < (start.queue, start.place) or not counts[lane.state]:
                continue
            after = start.after if (queue, place) == (start.queue, start.place) else ("", "")
            while True:
                room = 100 if wanted.type or wanted.text else min(100, limit - len(records))
                pairs = await _page(call, lane, room, after)
                scanned += len(pairs)
                for after, record in pairs:
                    if record is not None and wanted.passes(record):
                        records.append(record)
                        if len(records) == limit:
                            return records, _Cursor(queue, place, after).pack()
                if len(pairs) < room:
                    break
                if scanned >= MOST_SCANNED:
                    return records, _Cursor(queue, place, after).pack()
    return records, None


async def _page(
    call: Call, lane: Lane, limit: int, after: tuple[str, str]
) -> list[tuple[tuple[str, str], JobRecord | None]]:
    views = call.store.views
    newest = lane.state in _NEWEST_FIRST
    pairs = await views.page(lane.queue, lane.state, limit=limit, newest=newest, after=after, priority=lane.priority)
    records = await views.get_many(lane.queue, [id for id, _ in pairs])
    return list(zip(pairs, records, strict=True))


@dataclass(frozen=True, slots=True)
class _Cursor:
    """Where a listing stands: in a queue, in which of its lanes, after which (id, score)."""

    queue: str = ""
    place: int = 0
    after: tuple[str, str] = ("", "")

    def pack(self) -> str:
        raw = orjson.dumps([self.queue, self.place, *self.after])
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _read_cursor(text: str) -> _Cursor:
    if not text:
        return _Cursor()
    try:
        queue, place, id, score = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        if not (type(place) is int and isinstance(id, str) and isinstance(score, str) and _SCORE.fullmatch(score)):
            raise ValueError(text)
        return _Cursor(check_queue(queue), place, (id, score))
    except (ValueError, TypeError, binascii.Error):
        raise Problem(400, "bad-cursor", "The cursor is not one of this listing's; start without one.") from None
