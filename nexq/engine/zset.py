"""A sorted set: members ordered by score, then by their bytes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from sortedcontainers import SortedList

Pair = tuple[float, bytes]


class SortedSet:
    """Members with scores. `scores` maps member to score; the order is kept beside it."""

    __slots__ = ("_order", "scores")

    def __init__(self) -> None:
        self.scores: dict[bytes, float] = {}
        self._order: Any = SortedList()

    def __len__(self) -> int:
        return len(self.scores)

    def add(self, pairs: Iterable[Pair]) -> int:
        """Set the members' scores; the last of a repeated member counts. Returns how many are new."""
        scores = self.scores
        fresh: list[Pair] = []
        before = len(scores)
        for pair in pairs:
            score, member = pair
            old = scores.get(member)
            if old is not None:
                if old == score:
                    continue
                if fresh:
                    # The member may be among them, and must be in the order to be taken out of it.
                    self._order.update(fresh)
                    fresh = []
                self._order.remove((old, member))
            scores[member] = score
            fresh.append(pair)
        if len(fresh) == 1:
            self._order.add(fresh[0])
        elif fresh:
            self._order.update(fresh)
        return len(scores) - before

    def remove(self, members: Iterable[bytes]) -> int:
        """Take members out. Returns how many there were."""
        scores = self.scores
        gone: list[Pair] = []
        for member in members:
            score = scores.pop(member, None)
            if score is not None:
                gone.append((score, member))
        if not scores:
            self._order.clear()
        elif len(gone) * 8 > len(scores):
            # One pass over the rest is cheaper than finding so many one by one.
            self._order = SortedList(pair for pair in self._order if pair[1] in scores)
        else:
            for pair in gone:
                self._order.remove(pair)
        return len(gone)

    def rank(self, member: bytes) -> int | None:
        """The member's place from 0, lowest score first; None when it is not in."""
        score = self.scores.get(member)
        return None if score is None else self._order.bisect_left((score, member))

    def below(self, score: float, *, inclusive: bool) -> int:
        """How many members have a lower score, or with `inclusive` one that is not higher."""
        if not inclusive:
            at: int = self._order.bisect_left((score,))
        elif score == math.inf:
            at = len(self.scores)
        else:
            at = self._order.bisect_left((math.nextafter(score, math.inf),))
        return at

    def slice(self, start: int, stop: int) -> Sequence[Pair]:
        """The (score, member) pairs at the places start <= place < stop."""
        pairs: list[Pair] = self._order[start:stop]
        return pairs

    def cut(self, start: int, stop: int) -> Sequence[Pair]:
        """Take the pairs at the places start <= place < stop out, and return them."""
        pairs = self.slice(start, stop)
        del self._order[start:stop]
        for _, member in pairs:
            del self.scores[member]
        return pairs
