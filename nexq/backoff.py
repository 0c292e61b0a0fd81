"""Growing waits, with jitter. Pure functions; every duration is in seconds."""

from __future__ import annotations

import random


def exponential(attempt: int, base_s: float, factor: float, cap_s: float) -> float:
    """The wait after failed attempt number `attempt` (from 1), without jitter.

    >>> [exponential(n, 1.0, 2.0, 10.0) for n in (1, 2, 3, 4, 5)]
    [1.0, 2.0, 4.0, 8.0, 10.0]
    """
    try:
        return min(cap_s, base_s * factor ** (attempt - 1))
    except OverflowError:
        return cap_s


def full_jitter(wait_s: float) -> float:
    """Anything between nothing and the wait: spreads those that failed together."""
    return random.uniform(0.0, wait_s)  # noqa: S311  (not for secrets)


class Backoff:
    """The waits of a retry loop, from `base_s` up to `cap_s`, each between half and all of its step."""

    def __init__(self, base_s: float = 0.01, cap_s: float = 1.0) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._attempt = 0

    def next_s(self) -> float:
        """The next wait in seconds."""
        self._attempt += 1
        step_s = exponential(self._attempt, self._base_s, 2.0, self._cap_s)
        return step_s / 2 + full_jitter(step_s / 2)

    def reset(self) -> None:
        """Start anew after a success."""
        self._attempt = 0
