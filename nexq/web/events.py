"""Live events over SSE: every move of a job, resumable by `Last-Event-ID` as far as the bounded list reaches.

The scripts note moves only while somebody listens; this listens for its clients, and for a while after they left, so
that a client that reconnects misses nothing. An event's id holds the position in every queue that is followed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import orjson
from starlette.responses import Response, StreamingResponse

from nexq.errors import BackendError
from nexq.store import Store
from nexq.store.views import Event
from nexq.web.call import Call
from nexq.web.jobs import find
from nexq.web.problems import Problem

#: Moves are noted for this long after the last client looked.
LISTEN_S = 600.0
LOOK_S = 0.2
#: Queues that are new are looked for this often.
DISCOVER_S = 2.0
HEARTBEAT_S = 15.0
MOST_QUEUES = 100
#: The event of a running job that reports something; told as `progress` and `log` to those who follow the job.
JOURNAL = "journal"
#: What holds, in an event's id, how much of the followed job's log was told. No queue can be called so.
_LOG = "~log"
OPENING = b"retry: 1000\n\n"
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Follower:
    """Follows some queues from a position on."""

    def __init__(
        self,
        store: Store,
        queues: list[str],
        only_ids: frozenset[str],
        only_what: frozenset[str],
        more: Callable[[], Awaitable[list[str]]] | None,
    ) -> None:
        self._store = store
        self._more = more
        self._discover_mono = 0.0
        self._only_ids = only_ids
        self._only_what = only_what
        self._at = dict.fromkeys(queues, 0)
        #: The number of the last line of the followed job's log that was told; the progress that was.
        self._told = 0
        self._progress: object = None
        self._renew_mono = 0.0

    async def start(self, last_id: str, queues: list[str]) -> None:
        """Begin after `last_id`; with none, now. Of all queues, one that `last_id` does not name has come since."""
        known = _read_position(last_id) if last_id else {}
        if self._more is not None:
            # First, so that a queue made known meanwhile is either listed or listened to.
            await self._store.members.listen_all(LISTEN_S)
            await self._discover()
        for queue in self._at:
            newest = await self._store.moves.listen(queue, LISTEN_S)
            unnamed = 0 if last_id and self._more is not None else newest
            self._at[queue] = min(known.get(queue, unnamed), newest)
        for id in self._only_ids:
            reported = await self._store.views.journal(queues[0], id)
            self._told = min(known.get(_LOG, reported.total), reported.total)
            self._progress = reported.progress
        self._renew_mono = time.monotonic() + LISTEN_S / 3

    async def frames(self) -> AsyncIterator[bytes]:
        """SSE frames, for ever: events, heartbeats, and `gap` where events are gone."""
        quiet_since = time.monotonic()
        # A client whose connection breaks before the first event goes on from here.
        yield b"%bid: %b\n\n" % (OPENING[:-1], self._position())
        while True:
            any_new = False
            try:
                for queue in self._at:
                    async for frame in self._news(queue):
                        any_new = True
                        yield frame
                if time.monotonic() > self._discover_mono:
                    await self._discover()
                await self._renew()
            except BackendError:
                # The store is away: the position stands, and what comes after is told when it is back.
                await asyncio.sleep(1.0)
            if any_new:
                quiet_since = time.monotonic()
                continue
            if time.monotonic() - quiet_since > HEARTBEAT_S:
                quiet_since = time.monotonic()
                yield b": all quiet\n\n"
            await asyncio.sleep(LOOK_S)

    async def _news(self, queue: str) -> AsyncIterator[bytes]:
        after = self._at[queue]
        first, events = await self._store.views.follow(queue, after)
        if first > after + 1:
            self._at[queue] = first - 1
            yield self._frame("gap", {"queue": queue, "missed": first - after - 1})
        for event in events:
            self._at[queue] = event.number
            if event.what == JOURNAL and "journal" not in self._only_what:
                async for frame in self._reports(queue, event):
                    yield frame
                continue
            if self._only_what and event.what not in self._only_what:
                continue
            ids = [id for id in event.ids if not self._only_ids or id in self._only_ids]
            if ids or (not event.ids and not self._only_ids):
                yield self._frame(event.what, {"queue": queue, "ids": ids, "at_ms": event.at_ms})

    async def _reports(self, queue: str, event: Event) -> AsyncIterator[bytes]:
        """What the followed job reported since the last time."""
        for id in self._only_ids.intersection(event.ids):
            reported = await self._store.views.journal(queue, id)
            about: dict[str, object] = {"queue": queue, "ids": [id], "at_ms": event.at_ms}
            if reported.progress is not None and reported.progress != self._progress:
                self._progress = reported.progress
                yield self._frame("progress", about | reported.progress)
            lines = [line for line in reported.lines if line["n"] > self._told]
            if lines:
                self._told = reported.total
                yield self._frame("log", about | {"lines": lines})

    def _frame(self, what: str, data: Mapping[str, object]) -> bytes:
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (self._position(), what.encode(), orjson.dumps(data))

    def _position(self) -> bytes:
        at = self._at | {_LOG: self._told} if self._only_ids else self._at
        return ",".join(f"{queue}={number}" for queue, number in at.items()).encode()

    async def _discover(self) -> None:
        """Follow queues that are new, from their first job."""
        self._discover_mono = time.monotonic() + DISCOVER_S
        for queue in await self._more() if self._more is not None else ():
            if queue not in self._at and len(self._at) < MOST_QUEUES:
                await self._store.moves.listen(queue, LISTEN_S)
                self._at[queue] = 0

    async def _renew(self) -> None:
        if time.monotonic() > self._renew_mono:
            if self._more is not None:
                await self._store.members.listen_all(LISTEN_S)
            for queue in self._at:
                await self._store.moves.listen(queue, LISTEN_S)
            self._renew_mono = time.monotonic() + LISTEN_S / 3


async def stream_events(call: Call) -> Response:
    """`GET /api/events`: the moves of all queues, or of `queue=a,b`; only the kinds of `event=completed,dead`."""
    wanted = [q for q in call.query("queue").split(",") if q]

    async def all_queues() -> list[str]:
        known = (await call.store.views.directory()).queues
        return [queue for queue in known if call.principal.may_touch(queue)]

    if wanted:
        return await _stream(call, wanted, frozenset())
    return await _stream(call, [], frozenset(), all_queues)


async def stream_job(call: Call) -> Response:
    """`GET /api/jobs/{id}/events`: the moves of one job."""
    record = await find(call)
    return await _stream(call, [record.queue], frozenset({record.id}))


async def _stream(
    call: Call, queues: list[str], ids: frozenset[str], more: Callable[[], Awaitable[list[str]]] | None = None
) -> Response:
    allowed = [q for q in queues if call.principal.may_touch(q)][:MOST_QUEUES]
    what = frozenset(w for w in call.query("event").split(",") if w)
    follower = Follower(call.store, allowed, ids, what, more)
    await follower.start(call.request.first(b"last-event-id") or call.query("last_event_id"), allowed)
    return StreamingResponse(follower.frames(), headers=STREAM_HEADERS, media_type="text/event-stream")


def _read_position(text: str) -> dict[str, int]:
    try:
        pairs = (part.rsplit("=", 1) for part in text.split(","))
        return {queue: int(number) for queue, number in pairs}
    except ValueError:
        raise Problem(400, "bad-event-id", "Last-Event-ID is not one that this stream gave.") from None
