"""What a worker counts of itself: plain integers in plain lists, read by whoever shows them (nexq.metrics).

The per-exchange part always counts: an exchange is many jobs. The per-job part costs two looks at the clock and a few
additions; a worker that shows no metrics does without it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from itertools import islice
from time import monotonic
from typing import Any, NamedTuple

from nexq.outcome import Outcome
from nexq.worker.running import Running

#: Handlers that are counted apart.
MOST_HANDLERS = 200
#: Upper bounds of the run time's buckets, seconds; one more bucket is open.
RUN_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
#: Runs that are measured of those that end between two exchanges, about and at most.
SAMPLES = 8
MOST_SAMPLES = 64
EXCHANGE_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Histogram:
    """Counts by size. `counts` has one place more than the bounds; they are not cumulative."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def note(self, value: float) -> None:
        """Count one."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Sampler:
    """How long some of the runs took, evenly chosen: what an exchange hands in for the store's own figures.

    Each counts for several where there are many: a run that is not looked at costs an addition.
    """

    __slots__ = ("_next", "_runs", "_stride", "_took_us")

    def __init__(self) -> None:
        self._runs = 0
        self._next = 1
        self._stride = 1
        self._took_us: list[str] = []

    def note(self, began_mono: float) -> None:
        """A run has ended that began then."""
        self._runs += 1
        if self._runs >= self._next:
            self._next += self._stride
            self._took_us.append(str(int((monotonic() - began_mono) * 1e6)))

    def take(self) -> str:
        """'<runs> <µs> <µs> …' since it was last taken; '' for none."""
        if not self._runs:
            return ""
        took = " ".join((str(self._runs), *self._took_us[:MOST_SAMPLES]))
        # As many as this time are expected the next time.
        self._stride = self._runs // SAMPLES + 1
        self._runs, self._next = 0, 1
        self._took_us.clear()
        return took


class Gauges(NamedTuple):
    """A worker at one moment."""

    slots: int
    busy: int
    backlog: int
    silence_s: float


class HandlerTally:
    """Runs of one handler: by outcome, and by how long they took."""

    __slots__ = ("completed", "others", "runs", "took_s")

    def __init__(self) -> None:
        self.completed = 0
        #: Outcome other than complete -> how many.
        self.others: dict[str, int] = {}
        #: Runs by RUN_BOUNDS, not cumulative; and the time they took, all told.
        self.runs = [0] * (len(RUN_BOUNDS) + 1)
        self.took_s = 0.0


class Tally:
    """The counters of one worker. Handlers beyond the first MOST_HANDLERS, and types it does not know, are `other`."""

    __slots__ = ("exchange_failures", "exchanges", "handlers", "leases_lost", "other", "stale")

    def __init__(self, handlers: Iterable[str] = ()) -> None:
        self.exchanges = Histogram(EXCHANGE_BOUNDS)
        self.exchange_failures = 0
        self.stale = 0
        self.leases_lost = 0
        self.other = HandlerTally()
        #: Never grows: its size is not for those to decide who submit jobs.
        self.handlers = {name.encode(): HandlerTally() for name in islice(handlers, MOST_HANDLERS)}


def counted(
    run: Callable[[Running], Awaitable[Outcome]], tally: Tally
) -> Callable[[Running], Coroutine[Any, Any, Outcome]]:
    """`run`, timed and counted by handler. This is the hot path: a call less is worth a line more."""
    handlers, other = tally.handlers, tally.other
    shortest = RUN_BOUNDS[0]

    async def run_counted(running: Running) -> Outcome:
        began_mono = monotonic()
        outcome = await run(running)
        took_s = monotonic() - began_mono
        # The type ends where the spec's first line does (nexq.job.Spec).
        spec = running.claim.spec
        name = spec[9 : spec.find(b"\n")]
        handler = handlers.get(name, other)
        if outcome.kind == "complete":
            handler.completed += 1
        else:
            handler.others[outcome.kind] = handler.others.get(outcome.kind, 0) + 1
        handler.took_s += took_s
        handler.runs[0 if took_s <= shortest else bisect_left(RUN_BOUNDS, took_s)] += 1
        return outcome

    return run_counted
