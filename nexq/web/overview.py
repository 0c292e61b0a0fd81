"""The state of everything at one glance: what a dashboard opens with, and follows from then on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.responses import Response, StreamingResponse

from nexq.errors import BackendError
from nexq.metrics.desired import NOBODY, Crew, crews
from nexq.metrics.queues import ABREAST, Snapshot
from nexq.states import JobState
from nexq.store import QueueView, Store, WorkerView
from nexq.store.series import Row, percentiles
from nexq.web.call import Call, answer
from nexq.web.events import HEARTBEAT_S, OPENING, STREAM_HEADERS
from nexq.web.metrics import scraper_of
from nexq.web.queues import may_see

#: Minutes that failure rate and percentiles look back, and those that fresh dead letters do.
WINDOW = 5
DEAD_WINDOW = 10
#: A frame of the stream comes this often at most.
EVERY_S = 1.0
#: Ready jobs that wait longer than this, and for longer than DRAIN_S to come, need a person.
LATE_S = 60.0
DRAIN_S = 600.0
#: Runs from which on a failure rate says something.
TELLING = 10
#: A worker that was lost longer ago is no news.
LOST_S = 900.0
MINUTE_MS = 60_000
RATES = ("enqueued", "completed", "failed", "dead", "cancelled")
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class Overview:
    """All queues with their last minutes, and all workers, at about one moment."""

    snapshot: Snapshot
    rows: dict[str, list[Row]]


class Overseer:
    """Reads overviews. Those who ask within a second share one."""

    def __init__(self) -> None:
        self._last: Overview | None = None
        self._lock = asyncio.Lock()

    async def look(self, call: Call) -> Overview:
        """The overview, at most about a second old. Raises BackendError."""
        snapshot = await scraper_of(call).snapshot()
        async with self._lock:
            if self._last is None or self._last.snapshot is not snapshot:
                names = [view.name for view in snapshot.queues]
                self._last = Overview(snapshot, await _last_minutes(call.store, names))
            return self._last


async def get_overview(call: Call) -> Response:
    """`GET /api/overview`."""
    return answer(describe(call, await _overseer(call).look(call)))


async def stream_overview(call: Call) -> Response:
    """`GET /api/overview/events`: the overview whenever it has changed, once a second at most."""
    return StreamingResponse(_frames(call), headers=STREAM_HEADERS, media_type="text/event-stream")


async def _frames(call: Call) -> AsyncIterator[bytes]:
    yield OPENING
    shown: object = None
    sent_mono = time.monotonic()
    while True:
        began_mono = time.monotonic()
        try:
            found = describe(call, await _overseer(call).look(call))
        except BackendError:
            found = None
        news = found and {name: value for name, value in found.items() if name != "now_ms"}
        if news and news != shown:
            shown, sent_mono = news, began_mono
            yield b"event: overview\ndata: %b\n\n" % orjson.dumps(found)
        elif began_mono - sent_mono > HEARTBEAT_S:
            sent_mono = began_mono
            yield b": all quiet\n\n"
        await asyncio.sleep(max(0.1, EVERY_S - (time.monotonic() - began_mono)))


def describe(call: Call, seen: Overview) -> dict[str, Any]:
    """The overview as JSON, of what the caller may see."""
    views = [view for view in seen.snapshot.queues if call.principal.may_touch(view.name)]
    workers = [worker for worker in seen.snapshot.workers if may_see(call, worker)]
    serving = crews(workers)
    queues = [_queue(view, seen.rows.get(view.name, []), serving.get(view.name, NOBODY)) for view in views]
    now_ms = max((view.now_ms for view in views), default=0.0)
    alarms = [{"queue": queue["name"], **alarm} for queue in queues for alarm in queue["alarms"]]
    return {
        "now_ms": now_ms,
        "queues": queues,
        "workers": _states(workers),
        "slots": _slots(workers),
        "totals": {
            "counts": {state.value: sum(view.counts[state] for view in views) for state in JobState},
            "rates": {name: round(sum(queue["rates"][name] for queue in queues), 3) for name in RATES},
        },
        "alarms": alarms + _lost(workers, now_ms),
    }


def _queue(view: QueueView, rows: list[Row], crew: Crew) -> dict[str, Any]:
    minute = int(view.now_ms // MINUTE_MS)
    recent = Row(minute)
    for row in rows:
        if row.number > minute - WINDOW:
            recent.add(row)
    rates = _rates(rows, view.now_ms)
    failed, ended = recent.count("failed") + recent.count("dead"), recent.count("completed")
    shown = view.as_dict() | {
        "lag_s": None if view.lag_s is None else round(view.lag_s, 1),
        "rates": rates,
        "failure_rate": round(failed / (failed + ended), 4) if failed + ended else None,
        "lateness_ms": _percentiles(recent.lateness),
        "run_ms": _percentiles(recent.runs),
        "drain_s": _drain_s(view, rates),
        "workers": crew.workers,
        "slots": {"busy": view.counts[JobState.RUNNING], "total": crew.slots},
    }
    died = sum(row.count("dead") for row in rows if row.number > minute - DEAD_WINDOW)
    return shown | {"alarms": _alarms(view, crew, shown, failed + ended, died)}


def _rates(rows: list[Row], now_ms: float) -> dict[str, float]:
    """Per second, over the last minute: all of this minute, and of the one before what lies within."""
    minute, elapsed_s = int(now_ms // MINUTE_MS), now_ms % MINUTE_MS / 1000
    known = {row.number: row for row in rows}
    now, before = known.get(minute, Row(minute)), known.get(minute - 1, Row(minute - 1))
    # In a queue's first minute there is no other to look at.
    over_s = 60.0 if any(row.number < minute for row in rows) else max(5.0, elapsed_s)
    share = 1 - elapsed_s / 60
    return {name: round((now.count(name) + share * before.count(name)) / over_s, 3) for name in RATES}


def _drain_s(view: QueueView, rates: dict[str, float]) -> float | None:
    """How long until nothing is ready, at the present rates; None: never."""
    ready = view.counts[JobState.READY]
    if not ready:
        return 0.0
    net = rates["completed"] + rates["dead"] - rates["enqueued"]
    return round(ready / net, 1) if net > 0 and view.paused is None else None


def _alarms(view: QueueView, crew: Crew, shown: dict[str, Any], runs: int, died: int) -> list[dict[str, str]]:
    """What somebody should know (amber), or must see to (red)."""
    ready, lag_s, drain_s = view.counts[JobState.READY], view.lag_s or 0.0, shown["drain_s"]
    alarms: list[dict[str, str]] = []

    def tell(level: str, what: str, text: str) -> None:
        alarms.append({"level": level, "what": what, "text": text})

    if view.paused is not None:
        if ready:
            tell("amber", "paused", f"The queue is paused; {_jobs(ready)} ready.")
    elif ready and not crew.workers and lag_s > 5:
        tell("red", "no_worker", f"{_jobs(ready)} ready and no worker takes jobs of this queue.")
    elif lag_s > LATE_S and (drain_s is None or drain_s > DRAIN_S):
        tell("red", "lag", f"The oldest ready job has waited for {lag_s:,.0f} s, and the workers do not catch up.")
    if runs >= TELLING and shown["failure_rate"] >= 0.5:
        tell("red", "failing", f"{shown['failure_rate']:.0%} of {runs:,} runs failed in the last {WINDOW} minutes.")
    if died:
        tell("amber", "dead", f"{died:,} {'job' if died == 1 else 'jobs'} died in the last {DEAD_WINDOW} minutes.")
    return alarms


def _lost(workers: list[WorkerView], now_ms: float) -> list[dict[str, Any]]:
    return [
        {"queue": None, "level": "amber", "what": "lost_worker", "text": f"Worker {worker.id} gives no sign of life."}
        for worker in workers
        if not worker.alive and now_ms - worker.alive_until_ms < LOST_S * 1000
    ]


def _percentiles(buckets: dict[int, int]) -> dict[str, Any] | None:
    if not buckets:
        return None
    found = percentiles(buckets, _SHARES.values())
    return {name: rounded(value) for name, value in zip(_SHARES, found, strict=True)} | {"count": sum(buckets.values())}


def rounded(value_ms: float | None) -> float | None:
    """A duration with as many digits as it is worth."""
    return None if value_ms is None else float(f"{value_ms:.3g}")


def _states(workers: list[WorkerView]) -> dict[str, int]:
    states = {"running": 0, "paused": 0, "draining": 0, "lost": 0}
    for worker in workers:
        states[worker.state] = states.get(worker.state, 0) + 1
    return states


def _slots(workers: list[WorkerView]) -> dict[str, int]:
    living = [worker.info for worker in workers if worker.alive]
    return {
        "busy": sum(int(info.get("running") or 0) for info in living),
        "total": sum(int(info.get("concurrency") or 0) for info in living),
    }


def _jobs(n: int) -> str:
    return "1 job is" if n == 1 else f"{n:,} jobs are"


async def _last_minutes(store: Store, names: list[str]) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {}
    for start in range(0, len(names), ABREAST):
        some = names[start : start + ABREAST]
        found = await asyncio.gather(*(store.views.series(name, 1, DEAD_WINDOW + 1) for name in some))
        rows |= dict(zip(some, found, strict=True))
    return rows


def _overseer(call: Call) -> Overseer:
    """The overseer of this application."""
    state = call.request.app.state
    found: Overseer | None = getattr(state, "overseer", None)
    if found is None:
        found = state.overseer = Overseer()
    return found
