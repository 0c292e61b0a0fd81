"""Ids made by the client: 14 base-62 characters, URL-safe, in the order of their making.

The first seven are the Unix time in ms (good until 2081), the last seven are random, counted up within one
millisecond so that the ids of one process rise strictly. An id is stored twice while its job waits, and at 14
characters it fits the servers' 16-byte allocation; a ULID does not. Two processes that draw the same id are told
so by the server at enqueue, and one draws again.
"""

from __future__ import annotations

import os
import time
from threading import Lock

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ID_LENGTH = 14
_PAIRS = [a + b for a in DIGITS for b in DIGITS]
_VALUES = {c: i for i, c in enumerate(DIGITS)}
_RANDOM_SPAN = 62**7
#: Leaves room to count up within a millisecond without running over.
_RANDOM_START = _RANDOM_SPAN - 1_000_000


def encode7(value: int) -> str:
    """The number as 7 base-62 digits. 0 <= value < 62**7."""
    value, low = divmod(value, 3844)
    value, mid = divmod(value, 3844)
    high, third = divmod(value, 3844)
    return DIGITS[high] + _PAIRS[third] + _PAIRS[mid] + _PAIRS[low]


def decode7(text: str) -> int:
    """The number of 7 base-62 digits. Raises KeyError on any other character."""
    value = 0
    for c in text:
        value = value * 62 + _VALUES[c]
    return value


class IdMaker:
    """Makes ids that rise strictly within this process. Safe in threads; a forked child starts anew."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._ms = -1
        self._random = 0
        #: The id without its last two digits, and these as a number: the common case only counts them up.
        self._head = ""
        self._low = 0
        os.register_at_fork(after_in_child=self._forget)

    def __call__(self) -> str:
        """A new id."""
        with self._lock:
            ms = time.time_ns() // 1_000_000
            if ms > self._ms:
                self._start(ms)
            else:
                # The same millisecond, or the clock stepped back: stay on the last one and count.
                self._low += 1
                if self._low == 3844:
                    self._carry()
            return self._head + _PAIRS[self._low]

    def _start(self, ms: int) -> None:
        self._ms = ms
        self._random = int.from_bytes(os.urandom(8)) % _RANDOM_START
        self._split()

    def _carry(self) -> None:
        self._random += 3844 - self._random % 3844
        if self._random >= _RANDOM_SPAN:
            self._start(self._ms + 1)
        else:
            self._split()

    def _split(self) -> None:
        self._head = encode7(self._ms) + encode7(self._random)[:5]
        self._low = self._random % 3844

    def _forget(self) -> None:
        self._lock = Lock()
        self._ms = -1


new_id = IdMaker()
