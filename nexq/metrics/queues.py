"""The server's metrics: all queues and workers of a namespace, read from the store when somebody asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from nexq.metrics.desired import NOBODY, TARGET_LAG_S, Rates, crews
from nexq.metrics.names import MOST_QUEUES, OTHER, SERVER
from nexq.states import JobState
from nexq.store import QueueView, Store, WorkerView

#: Figures are read at most this often, and so rarely that reading takes a tenth of the time at most.
FRESH_S = 1.0
REST = 10
#: Queues that are read at once.
ABREAST = 100
#: Outcome label -> the total that counts it.
OUTCOMES = ("completed", "dead", "cancelled")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All queues and workers at about one moment. `desired`: queue -> workers it needs."""

    queues: list[QueueView]
    workers: list[WorkerView]
    desired: dict[str, int]
    took_s: float = 0.0

    def only(self, allowed: Callable[[str], bool]) -> Snapshot:
        """The part that somebody may see."""
        return replace(self, queues=[q for q in self.queues if allowed(q.name)])


class Scraper:
    """Reads snapshots. Those who ask within a second share one; each feeds the averages of the autoscaling hint."""

    def __init__(self, store: Store, target_lag_s: float = TARGET_LAG_S) -> None:
        self._store = store
        self._target_lag_s = target_lag_s
        self._rates: dict[str, Rates] = {}
        self._last: Snapshot | None = None
        self._good_until = 0.0
        self._reading: asyncio.Task[Snapshot] | None = None

    async def snapshot(self) -> Snapshot:
        """The figures, at most about a second old. Raises BackendError."""
        if self._last is not None and time.monotonic() < self._good_until:
            return self._last
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="nexq-metrics")
            self._reading.add_done_callback(self._forget)
        return await asyncio.shield(self._reading)

    def _forget(self, task: asyncio.Task[Snapshot]) -> None:
        self._reading = None
        if not task.cancelled():
            # Whoever waited has it too; one that is gone must not leave a warning.
            task.exception()

    async def _read(self) -> Snapshot:
        began = time.monotonic()
        views = self._store.views
        directory = await views.directory()
        queues: list[QueueView] = []
        for start in range(0, len(directory.queues), ABREAST):
            queues += await asyncio.gather(*(views.queue(name) for name in directory.queues[start : start + ABREAST]))
        took_s = time.monotonic() - began
        self._last = Snapshot(queues, directory.workers, self._hints(queues, directory.workers), took_s)
        self._good_until = time.monotonic() + max(FRESH_S, REST * took_s)
        return self._last

    def _hints(self, queues: list[QueueView], workers: list[WorkerView]) -> dict[str, int]:
        serving = crews(workers)
        known, self._rates = self._rates, {}
        hints: dict[str, int] = {}
        for view in queues:
            rates = self._rates[view.name] = known.get(view.name) or Rates()
            crew = serving.get(view.name, NOBODY)
            rates.feed(view, crew)
            hints[view.name] = rates.desired(view, crew, self._target_lag_s)
        return hints


def bounded(snapshot: Snapshot, most: int = MOST_QUEUES) -> tuple[list[QueueView], list[QueueView]]:
    """(the queues that get series of their own, the rest): those with the most jobs that have not completed first."""
    if len(snapshot.queues) <= most:
        return snapshot.queues, []
    # A queue that is really called so goes with the rest, whose name it has.
    by_size = sorted(snapshot.queues, key=lambda q: (q.name == OTHER, -_size(q), q.name))
    return sorted(by_size[: most - 1], key=lambda q: q.name), by_size[most - 1 :]


def families(snapshot: Snapshot, most: int = MOST_QUEUES) -> Iterator[Metric]:
    """The metrics of a snapshot."""
    shown, rest = bounded(snapshot, most)
    rows = [(q.name, [q]) for q in shown]
    if rest:
        rows.append((OTHER, rest))
    jobs = _gauge("nexq_queue_jobs", "queue", "state")
    oldest = _gauge("nexq_queue_oldest_seconds", "queue")
    paused = _gauge("nexq_queue_paused", "queue")
    dead = _gauge("nexq_dead_letters", "queue")
    desired = _gauge("nexq_desired_workers", "queue")
    enqueued = _counter("nexq_jobs_enqueued", "queue")
    finished = _counter("nexq_jobs_finished", "queue", "outcome")
    retries = _counter("nexq_job_retries", "queue")
    lost = _counter("nexq_leases_lost", "queue")
    for name, queues in rows:
        for state in JobState:
            jobs.add_metric((name, state.value), sum(q.counts[state] for q in queues))
        oldest.add_metric((name,), max(q.lag_s or 0.0 for q in queues))
        paused.add_metric((name,), sum(q.paused is not None for q in queues))
        dead.add_metric((name,), sum(q.counts[JobState.DEAD] for q in queues))
        desired.add_metric((name,), sum(snapshot.desired.get(q.name, 0) for q in queues))
        enqueued.add_metric((name,), _total(queues, "enqueued"))
        for outcome in OUTCOMES:
            finished.add_metric((name, outcome), _total(queues, outcome))
        retries.add_metric((name,), _total(queues, "retried"))
        lost.add_metric((name,), _total(queues, "lost"))
    yield from (jobs, oldest, paused, dead, desired, enqueued, finished, retries, lost)
    yield from _of_workers(snapshot.workers)
    took = _gauge("nexq_scrape_seconds")
    took.add_metric((), snapshot.took_s)
    yield took


def _of_workers(views: Iterable[WorkerView]) -> Iterator[Metric]:
    """What the workers told of themselves: a figure that is missing or odd counts as nothing."""
    states = {"running": 0, "draining": 0, "lost": 0}
    busy = slots = 0
    for view in views:
        if not view.alive:
            states["lost"] += 1
            continue
        states["draining" if view.info.get("state") == "draining" else "running"] += 1
        busy += _whole(view.info.get("running"))
        slots += _whole(view.info.get("concurrency"))
    workers, slot = _gauge("nexq_workers", "state"), _gauge("nexq_worker_slots", "state")
    for state, n in states.items():
        workers.add_metric((state,), n)
    slot.add_metric(("busy",), busy)
    slot.add_metric(("free",), max(0, slots - busy))
    yield from (workers, slot)


def _gauge(name: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, SERVER[name], labels=labels)


def _counter(name: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, SERVER[name], labels=labels)


def _total(queues: list[QueueView], name: str) -> int:
    return sum(q.totals.get(name, 0) for q in queues)


def _size(view: QueueView) -> int:
    return sum(n for state, n in view.counts.items() if state not in (JobState.COMPLETED, JobState.CANCELLED))


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
