"""The keys: what stands at each, and until when."""

from __future__ import annotations

import heapq
from collections import deque
from typing import TypeAlias

from nexq.engine.values import wrong_type
from nexq.engine.zset import SortedSet

Value: TypeAlias = "bytes | dict[bytes, bytes] | deque[bytes] | SortedSet"


class Keyspace:
    """Every key with its value: string = bytes, hash = dict, list = deque, zset = SortedSet.

    `now_us` is the time of the running script, microseconds since 1970; it stands still while a script runs.
    `pushed` collects the keys of lists that got an element.
    """

    def __init__(self) -> None:
        self.values: dict[bytes, Value] = {}
        self.expires: dict[bytes, int] = {}
        self.now_us = 0
        self.pushed: list[bytes] = []
        self._deadlines: list[tuple[int, bytes]] = []

    def find_string(self, key: bytes) -> bytes | None:
        """The string at the key, None without one. Raises CommandError for another type."""
        value = self.values.get(key)
        if value is None or type(value) is bytes:
            return value
        raise wrong_type()

    def find_hash(self, key: bytes) -> dict[bytes, bytes] | None:
        """The hash at the key, None without one. Raises CommandError for another type."""
        value = self.values.get(key)
        if value is None or type(value) is dict:
            return value
        raise wrong_type()

    def find_list(self, key: bytes) -> deque[bytes] | None:
        """The list at the key, None without one. Raises CommandError for another type."""
        value = self.values.get(key)
        if value is None or type(value) is deque:
            return value
        raise wrong_type()

    def find_zset(self, key: bytes) -> SortedSet | None:
        """The sorted set at the key, None without one. Raises CommandError for another type."""
        value = self.values.get(key)
        if value is None or type(value) is SortedSet:
            return value
        raise wrong_type()

    def delete(self, key: bytes) -> bool:
        """Drop a key. Returns whether it was there."""
        if self.expires:
            self.expires.pop(key, None)
        return self.values.pop(key, None) is not None

    def expire_at(self, key: bytes, deadline_ms: int) -> None:
        """Let the key vanish once its deadline (ms since 1970) has passed."""
        self.expires[key] = deadline_ms
        heapq.heappush(self._deadlines, (deadline_ms, key))
        if len(self._deadlines) > 2 * len(self.expires) + 64:
            # Most are outdated: keys that got a later deadline, or are gone.
            self._deadlines = [(at, key) for key, at in self.expires.items()]
            heapq.heapify(self._deadlines)

    def advance(self, now_us: int) -> None:
        """Set the time and drop what has expired by then."""
        self.now_us = now_us
        deadlines = self._deadlines
        # As in Redis, a key is still there in its last millisecond.
        while deadlines and deadlines[0][0] < now_us // 1000:
            deadline_ms, key = heapq.heappop(deadlines)
            if self.expires.get(key) == deadline_ms:
                self.delete(key)
