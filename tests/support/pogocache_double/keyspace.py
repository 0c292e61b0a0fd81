"""The keys: shards, clock, expiry, memory and eviction."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

SHARDS = 4096
#: What an entry takes beside its key and value; and an empty server.
ENTRY_BYTES, BASE_BYTES = 46, 9_800_000


def now_ns() -> int:
    """The server's clock: since boot, so no client's and no Unix time."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


@dataclass(slots=True)
class Entry:
    """One value. `expires_ns` is 0 for ever."""

    value: bytes
    expires_ns: int = 0
    flags: int = 0
    cas: int = 0
    touched_ns: int = 0


@dataclass(slots=True)
class Shard:
    """One of the parts that are locked, saved and evicted from each by itself."""

    entries: dict[bytes, Entry] = field(default_factory=dict)
    cas: int = 1


class Keyspace:
    """All keys. Which shard a key is in differs from process to process, as the hash of bytes does."""

    def __init__(self, limit_bytes: int | None = None, *, with_cas: bool = False) -> None:
        self.shards = [Shard() for _ in range(SHARDS)]
        self.limit_bytes = limit_bytes
        self.with_cas = with_cas
        self.low_memory = False
        self.bytes = 0
        self.stored = 0
        self.has_mortals = False

    def shard(self, key: bytes) -> Shard:
        """The shard of a key."""
        return self.shards[hash(key) % SHARDS]

    def get(self, key: bytes, now: int, *, touch: bool = True) -> Entry | None:
        """The living entry of a key."""
        shard = self.shard(key)
        entry = shard.entries.get(key)
        if entry is None:
            return None
        if 0 < entry.expires_ns <= now:
            self._drop(shard, key)
            return None
        if touch:
            entry.touched_ns = now
        return entry

    def put(self, key: bytes, value: bytes, now: int, *, expires_ns: int = 0, flags: int = 0) -> None:
        """Insert or replace. With little memory left, a new key costs another one its place."""
        shard = self.shard(key)
        shard.cas += 1
        new = key not in shard.entries
        if not new:
            self._drop(shard, key)
        cas = shard.cas if self.with_cas else 0
        shard.entries[key] = Entry(value, max(0, expires_ns), flags, cas, now)
        self.bytes += len(key) + len(value) + ENTRY_BYTES
        self.stored += new
        self.has_mortals = self.has_mortals or expires_ns > 0
        if new and self.low_memory:
            self._evict(shard, key, now)

    def delete(self, key: bytes, now: int) -> bool:
        """Remove a key. Whether it was there."""
        found = self.get(key, now, touch=False) is not None
        if found:
            self._drop(self.shard(key), key)
        return found

    def clear(self) -> None:
        """Remove everything."""
        for shard in self.shards:
            shard.entries.clear()
        self.bytes = 0

    def count(self) -> int:
        """How many entries there are, with the dead that nobody has looked at."""
        return sum(len(shard.entries) for shard in self.shards)

    def keys(self, now: int) -> Iterator[bytes]:
        """Every living key."""
        for shard in self.shards:
            yield from [key for key, entry in shard.entries.items() if not 0 < entry.expires_ns <= now]

    def rss(self) -> int:
        """About what the process would take."""
        return BASE_BYTES + self.bytes

    def look_at_memory(self) -> None:
        """Once a second: is there too much?"""
        self.low_memory = self.limit_bytes is not None and self.rss() > self.limit_bytes

    def sweep(self, now: int) -> None:
        """Remove the dead."""
        if not self.has_mortals:
            return
        for shard in self.shards:
            for key in [key for key, entry in shard.entries.items() if 0 < entry.expires_ns <= now]:
                self._drop(shard, key)

    def _drop(self, shard: Shard, key: bytes) -> None:
        self.bytes -= len(key) + len(shard.entries.pop(key).value) + ENTRY_BYTES

    def _evict(self, shard: Shard, but: bytes, now: int) -> None:
        others = [key for key in shard.entries if key != but]
        two = random.sample(others, min(2, len(others)))
        if two:
            self._drop(shard, min(two, key=lambda key: self._worth(shard.entries[key], now)))

    @staticmethod
    def _worth(entry: Entry, now: int) -> int:
        return -1 if 0 < entry.expires_ns <= now else entry.touched_ns
