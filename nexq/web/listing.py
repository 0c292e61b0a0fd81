"""Listing jobs over queues and states, page by page, with an opaque cursor."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from nexq.job import JobRecord
from nexq.keys import check_queue, check_tag
from nexq.states import PRIORITIES, JobState
from nexq.store import Found, Wanted
from nexq.store.search import ANY, SLICE
from nexq.web.call import Call, answer
from nexq.web.params import PAGE
from nexq.web.problems import Problem

#: Jobs looked at for one page, where a filter lets few through.
MOST_SCANNED = 10_000
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
    wanted: Wanted = ANY
    #: The oldest first also where it is usually the newest.
    oldest: bool = False

    def lanes(self, queues: Iterable[str]) -> list[Lane]:
        """The sets to walk, in order."""
        states = [self.state] if self.state is not None else list(JobState)
        lanes: list[Lane] = []
        for queue in [self.queue] if self.queue else queues:
            for state in states:
                priorities = reversed(PRIORITIES) if state is JobState.READY else (None,)
                lanes += (Lane(queue, state, p) for p in priorities)
        return lanes


def read_filter(call: Call, state: JobState | None = None) -> Filter:
    """The filter of a query; `state`: of this one, whatever the query says. Raises InvalidName."""
    if state is None and (said := call.query("state")):
        # The route's rule lists the words, and others were refused by it.
        state = JobState(said)
    queue = call.query("queue")
    if queue:
        check_queue(queue)
    names = ("type", "tag", "worker", "fingerprint", "q")
    wanted = wanted_of(*(call.query(name) for name in names))
    return Filter(queue, state, wanted)


def wanted_of(type: str = "", tag: str = "", worker: str = "", fingerprint: str = "", q: str = "") -> Wanted:
    """What a filter looks for; tags by commas. Raises InvalidName."""
    return Wanted(type, tuple(check_tag(part) for part in tag.split(",") if part), worker, fingerprint, q)


async def list_jobs(call: Call) -> Response:
    """`GET /api/jobs`, `GET /api/tasks`."""
    wanted = read_filter(call)
    if id := call.query("id"):
        found = [record async for record in by_ids(call, [id], wanted.queue)]
        return answer({"jobs": [r.as_dict() for r in found if wanted.state in (None, r.state)], "next": None})
    return await answer_page(call, wanted)


async def by_ids(call: Call, ids: list[str], queue: str = "") -> AsyncIterator[JobRecord]:
    """The jobs with these ids that the caller may see, in their queue or in any."""
    for name in [queue] if queue else (await call.store.views.directory()).queues:
        if call.principal.may_touch(name):
            for record in await call.store.views.get_many(name, ids):
                if record is not None:
                    yield record


async def answer_page(call: Call, wanted: Filter) -> Response:
    """One page as the query's limit and cursor say."""
    limit = call.page_size(PAGE)
    records, cursor = await collect(call, wanted, limit, call.query("cursor"))
    headers = {}
    if cursor is not None:
        url = call.request.url.include_query_params(cursor=cursor)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return answer({"jobs": [r.as_dict() for r in records], "next": cursor}, 200, headers)


async def collect(call: Call, wanted: Filter, limit: int, cursor: str) -> tuple[list[JobRecord], str | None]:
    """Up to `limit` records that fit, and the cursor of what follows (None: nothing)."""
    records: list[JobRecord] = []
    scanned = 0
    async for lane, place, after in _lanes(call, wanted, cursor):
        on: tuple[str, str] | None = after
        while on is not None:
            found = await _slice(call, lane, wanted, limit - len(records), on)
            scanned += found.looked
            some = await call.store.views.get_many(lane.queue, [id for id, _ in found.pairs])
            records += [record for record in some if record is not None]
            on = found.after
            if on is not None and (len(records) >= limit or scanned >= MOST_SCANNED):
                return records, _Cursor(lane.queue, place, on).pack()
    return records, None


async def count(call: Call, wanted: Filter, show: int, most: int) -> tuple[int, list[str], bool]:
    """(how many jobs fit, the ids of the first `show`, whether there are more than the `most` that were looked at)."""
    if wanted.wanted.any:
        # Whatever there is fits: the sets' sizes say how many.
        views = [await call.store.views.queue(queue) for queue in await _queues(call, wanted)]
        states = list(JobState) if wanted.state is None else [wanted.state]
        first, _ = await collect(call, wanted, show, "")
        return sum(view.counts[state] for view in views for state in states), [r.id for r in first], False
    total = scanned = 0
    ids: list[str] = []
    async for lane, _, after in _lanes(call, wanted, ""):
        on: tuple[str, str] | None = after
        while on is not None:
            found = await _slice(call, lane, wanted, SLICE, on)
            scanned += found.looked
            total += len(found.pairs)
            ids += [id for id, _ in found.pairs[: show - len(ids)]]
            on = found.after
            if on is not None and scanned >= most:
                return total, ids, True
    return total, ids, False


async def _queues(call: Call, wanted: Filter) -> list[str]:
    names = [wanted.queue] if wanted.queue else (await call.store.views.directory()).queues
    return [name for name in names if call.principal.may_touch(name)]


async def _lanes(call: Call, wanted: Filter, cursor: str) -> AsyncIterator[tuple[Lane, int, tuple[str, str]]]:
    """The sets to walk from a cursor on, those with anything in them: (lane, its place, after which pair)."""
    start = _read_cursor(cursor)
    for queue in await _queues(call, wanted):
        if queue < start.queue:
            continue
        counts = (await call.store.views.queue(queue)).counts
        for place, lane in enumerate(wanted.lanes([queue])):
            if (queue, place) >= (start.queue, start.place) and counts[lane.state]:
                yield lane, place, start.after if (queue, place) == (start.queue, start.place) else ("", "")


async def _slice(call: Call, lane: Lane, shown: Filter, room: int, after: tuple[str, str]) -> Found:
    """A slice of a lane: of what fits `room` at most."""
    views, wanted = call.store.views, shown.wanted
    newest = lane.state in _NEWEST_FIRST and not shown.oldest
    if not wanted.any:
        most = min(SLICE, room)
        return await views.search(
            lane.queue, lane.state, wanted, most=most, newest=newest, after=after, priority=lane.priority
        )
    limit = min(100, room)
    pairs = await views.page(lane.queue, lane.state, limit=limit, newest=newest, after=after, priority=lane.priority)
    return Found(len(pairs), pairs, pairs[-1] if len(pairs) == limit else None)


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
