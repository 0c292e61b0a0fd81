"""What happened in a queue, in rows of some minutes, as the scripts write it down (lua/lib/series.lua)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

#: Minutes of a row.
Step = Literal[1, 10, 120]
#: How many rows of a step are kept: six hours, three days, a month.
KEPT: Mapping[Step, int] = {1: 360, 10: 432, 120: 372}
#: What is counted, and of what the depth at a row's end is known, in the order of a row.
COUNTED = ("enqueued", "completed", "failed", "dead", "cancelled", "lost")
DEPTHS = ("ready", "scheduled", "retrying", "running")

Buckets = dict[int, int]


@dataclass(slots=True)
class Row:
    """A queue during some minutes. `failed`: runs that failed and will be retried."""

    #: Which: minutes since 1970, divided by the step.
    number: int
    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTED))
    #: At its end; None where it was not seen.
    depths: list[int | None] = field(default_factory=lambda: [None] * len(DEPTHS))
    #: Runs by how late they started, and by how long they took.
    lateness: Buckets = field(default_factory=dict)
    runs: Buckets = field(default_factory=dict)

    @classmethod
    def unpack(cls, line: bytes) -> Row:
        """The row of a stored line."""
        counts, depths, lateness, runs = line.decode().split("|")
        number, *counted = map(int, counts.split(" "))
        known = [None if depth == "-" else int(depth) for depth in depths.split(" ")]
        return cls(number, counted, known, _buckets(lateness), _buckets(runs))

    def count(self, name: str) -> int:
        """How many of COUNTED."""
        return self.counts[COUNTED.index(name)]

    def add(self, other: Row) -> None:
        """Add another queue's, or a later, row: its counts, and its depths where they are known."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        add_buckets(self.lateness, other.lateness)
        add_buckets(self.runs, other.runs)


def add_buckets(into: Buckets, other: Buckets) -> None:
    """Add a histogram to another."""
    for bucket, n in other.items():
        into[bucket] = into.get(bucket, 0) + n


def begins_ms(bucket: int) -> float:
    """Where a bucket begins, in ms."""
    return 0.0 if bucket <= 0 else float(2 ** (bucket / 2) / 1000)


def percentiles(buckets: Buckets, shares: Iterable[float]) -> list[float | None]:
    """The durations, in ms, that these shares of the runs stay below; None for a histogram without any.

    A bucket is √2 wide: within one, the runs are taken to be spread evenly.
    """
    total = sum(buckets.values())
    if not total:
        return [None for _ in shares]
    return [_percentile(buckets, share * total) for share in shares]


def _percentile(buckets: Buckets, wanted: float) -> float:
    below = 0
    for bucket in sorted(buckets):
        n = buckets[bucket]
        if below + n >= wanted:
            begin, end = begins_ms(bucket), begins_ms(bucket + 1)
            return begin + (end - begin) * (wanted - below) / n
        below += n
    return begins_ms(max(buckets) + 1)


def _buckets(text: str) -> Buckets:
    pairs = (part.split(":") for part in text.split())
    return {int(bucket): int(n) for bucket, n in pairs}
