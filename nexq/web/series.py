"""Charts: what happened in the queues, in evenly spaced buckets, from the store's own figures."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

from starlette.responses import Response

from nexq.metrics.queues import ABREAST
from nexq.states import JobState
from nexq.store import QueueView
from nexq.store.series import COUNTED, DEPTHS, Row, Step, percentiles
from nexq.web.call import Call, answer
from nexq.web.overview import rounded
from nexq.web.queues import chosen_queues

MOST_QUEUES = 1000
_SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Range(NamedTuple):
    """How far back, in buckets of how many minutes."""

    step: Step
    buckets: int


RANGES = {
    "1h": Range(1, 60),
    "6h": Range(1, 360),
    "24h": Range(10, 144),
    "7d": Range(120, 84),
    "30d": Range(120, 360),
}


async def get_series(call: Call) -> Response:
    """`GET /api/series`: the figures of all queues, or of `queue=a,b`, over a range; `by=queue` also of each."""
    name, by = call.query("range", "1h"), call.query("by")
    step, buckets = RANGES[name]
    queues = (await chosen_queues(call))[:MOST_QUEUES]
    read: list[tuple[QueueView, list[Row]]] = []
    for start in range(0, len(queues), ABREAST):
        read += await asyncio.gather(*(_read(call, queue, step, buckets) for queue in queues[start : start + ABREAST]))
    now_ms = max((view.now_ms for view, _ in read), default=0.0) or (await call.store.views.directory()).now_ms
    last = int(now_ms // (step * 60_000))
    numbers = range(last - buckets + 1, last + 1)
    columns = {view.name: _spread(view, rows, numbers) for view, rows in read}
    shown: dict[str, Any] = {
        "range": name,
        "step_s": step * 60,
        "queues": queues,
        "at_ms": [number * step * 60_000 for number in numbers],
    }
    shown |= _columns([_sum(number, [rows[i] for rows in columns.values()]) for i, number in enumerate(numbers)])
    if by:
        shown["by_queue"] = {queue: _brief(rows) for queue, rows in columns.items()}
    return answer(shown)


async def _read(call: Call, queue: str, step: Step, buckets: int) -> tuple[QueueView, list[Row]]:
    views = call.store.views
    view, rows = await asyncio.gather(views.queue(queue), views.series(queue, step, buckets))
    return view, rows


def _spread(view: QueueView, rows: list[Row], numbers: range) -> list[Row]:
    """A row for each number. Where nothing happened, the depths are those before; at the end, those of now."""
    known = {row.number: row for row in rows}
    before = [row for row in rows if row.number < numbers.start]
    depths: list[int | None] = before[-1].depths if before else [None] * len(DEPTHS)
    spread: list[Row] = []
    for number in numbers:
        row = known.get(number) or Row(number)
        row.depths = depths = [new if new is not None else old for new, old in zip(row.depths, depths, strict=True)]
        spread.append(row)
    spread[-1].depths = [view.counts[JobState(name)] for name in DEPTHS]
    return spread


def _sum(number: int, rows: list[Row]) -> Row:
    total = Row(number)
    for row in rows:
        total.add(row)
    total.depths = [_sum_known([row.depths[i] for row in rows]) for i in range(len(DEPTHS))]
    return total


def _sum_known(depths: list[int | None]) -> int | None:
    known = [depth for depth in depths if depth is not None]
    return sum(known) if known else None


def _columns(rows: list[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {name: [row.counts[i] for row in rows] for i, name in enumerate(COUNTED)}
    found |= {name: [row.depths[i] for row in rows] for i, name in enumerate(DEPTHS)}
    for name, kind in (("lateness_ms", "lateness"), ("run_ms", "runs")):
        points = [percentiles(getattr(row, kind), _SHARES.values()) for row in rows]
        found[name] = {share: [rounded(point[i]) for point in points] for i, share in enumerate(_SHARES)}
    return found


def _brief(rows: list[Row]) -> dict[str, list[int | None]]:
    return {
        **{name: [row.count(name) for row in rows] for name in ("enqueued", "completed", "failed", "dead")},
        "ready": [row.depths[0] for row in rows],
    }
