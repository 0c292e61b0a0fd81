"""How many workers a queue needs: the autoscaling hint `nexq_desired_workers`.

Given, for one queue:

    B     ready jobs                            T     the target lag, seconds (NEXQ_TARGET_LAG, default 30)
    a     jobs enqueued per second              c     slots of a worker that serves the queue
    f     runs ended per second                 r     running jobs, at most the slots that are there

    m  =  f / r                     runs that one busy slot ends per second
    s  =  (a + B / T) / m           slots that keep up with what comes, and clear what is there within T
    desired  =  ceil(max(s, r) / c)

a, f and r are averages over about a minute. What nobody has measured is not guessed: while no run has ended yet, a
queue with work asks for the workers that it has, and for one where it has none. A paused queue asks for what its
running jobs take. Jobs that are due later are not counted before they are due.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from nexq.states import JobState
from nexq.store import QueueView, WorkerView

TARGET_LAG_S = 30.0
#: The averages forget with this time constant.
WINDOW_S = 60.0
#: Very short jobs are hardly ever seen running; a slot counts as busy for at least this part of the time.
LEAST_BUSY = 0.05
#: What slots a worker has where none was ever seen.
USUAL_SLOTS = 100
MOST = 10_000


@dataclass(frozen=True, slots=True)
class Crew:
    """The living workers of a queue: how many, and their slots."""

    workers: int = 0
    slots: int = 0


NOBODY = Crew()


def crews(workers: list[WorkerView]) -> dict[str, Crew]:
    """Queue -> its living workers that go on claiming. A worker of several queues counts for each."""
    found: dict[str, Crew] = {}
    for worker in workers:
        if not worker.alive or worker.info.get("state") != "running":
            continue
        for queue in worker.info.get("queues", ()):
            crew = found.get(queue, NOBODY)
            found[queue] = Crew(crew.workers + 1, crew.slots + int(worker.info.get("concurrency") or 0))
    return found


class Rates:
    """Averages of one queue, fed with its views."""

    __slots__ = ("_last", "arriving", "busy", "ending", "slots_each")

    def __init__(self) -> None:
        self._last: QueueView | None = None
        #: Jobs enqueued, and runs ended, per second; None: not known yet.
        self.arriving: float | None = None
        self.ending: float | None = None
        self.busy = 0.0
        self.slots_each = USUAL_SLOTS

    def feed(self, view: QueueView, crew: Crew) -> None:
        """Take the newest view in."""
        if crew.workers:
            self.slots_each = max(1, round(crew.slots / crew.workers))
        running = view.counts[JobState.RUNNING]
        busy = float(min(running, crew.slots) if crew.slots else running)
        last, self._last = self._last, view
        if last is None:
            self.busy = busy
            return
        elapsed_s = (view.now_ms - last.now_ms) / 1000
        if elapsed_s <= 0:
            self._last = last
            return
        arrived = view.totals.get("enqueued", 0) - last.totals.get("enqueued", 0)
        ended = _runs_ended(view) - _runs_ended(last)
        if arrived < 0 or ended < 0:
            # Another store stands there now.
            self.arriving = self.ending = None
            self.busy = busy
            return
        weight = 1 - math.exp(-elapsed_s / WINDOW_S)
        self.arriving = _mix(self.arriving, arrived / elapsed_s, weight)
        self.ending = _mix(self.ending, ended / elapsed_s, weight)
        self.busy += weight * (busy - self.busy)

    def desired(self, view: QueueView, crew: Crew, target_lag_s: float = TARGET_LAG_S) -> int:
        """How many workers the queue needs."""
        ready, running = view.counts[JobState.READY], view.counts[JobState.RUNNING]
        least = min(MOST, math.ceil(running / self.slots_each))
        if view.paused is not None:
            return least
        arriving = self.arriving or 0.0
        if not ready and arriving < 1e-3:
            return least
        if not self.ending or self.ending < 1e-6:
            return max(least, 1, crew.workers) if ready else least
        per_slot = self.ending / max(LEAST_BUSY, self.busy)
        slots = (arriving + ready / target_lag_s) / per_slot
        # A hair above a whole number is rounding, not need.
        return max(least, min(MOST, math.ceil(slots / self.slots_each - 1e-9)))


def _runs_ended(view: QueueView) -> int:
    return sum(view.totals.get(name, 0) for name in ("completed", "dead", "retried"))


def _mix(old: float | None, new: float, weight: float) -> float:
    return new if old is None else old + weight * (new - old)
