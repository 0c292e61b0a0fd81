"""What STATS tells: neither the memory limit nor what was evicted."""

from __future__ import annotations

import os
import resource
import time
from collections import Counter

from tests.support.pogocache_double import options
from tests.support.pogocache_double.keyspace import Keyspace

_COUNTED = [
    "cmd_get",
    "cmd_set",
    "cmd_flush",
    "cmd_touch",
    "get_hits",
    "get_misses",
    "delete_misses",
    "delete_hits",
    "incr_misses",
    "incr_hits",
    "decr_misses",
    "decr_hits",
    "touch_hits",
    "touch_misses",
    "store_too_large",
    "store_no_memory",
    "auth_cmds",
    "auth_errors",
]


class Stats:
    """Counters since the start."""

    def __init__(self, most_connections: int, threads: int) -> None:
        self.start_s = time.monotonic()
        self.most_connections = most_connections
        self.threads = threads
        self._counters: Counter[str] = Counter()

    def count(self, name: str) -> None:
        """One more."""
        self._counters[name] += 1

    def connected(self, change: int) -> None:
        """A connection has come or gone."""
        self._counters["now"] += change
        self._counters["total"] += change > 0

    @property
    def connections(self) -> int:
        """How many there are now."""
        return self._counters["now"]

    def report(self, keys: Keyspace) -> list[tuple[bytes, bytes]]:
        """The names and values in the real one's order."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        facts: dict[str, object] = {
            "pid": os.getpid(),
            "uptime": f"{time.monotonic() - self.start_s:.0f}",
            "time": f"{time.time():.0f}",
            "product": "pogocache",
            "version": options.VERSION,
            "githash": options.VERSION.rpartition("-g")[2],
            "pointer_size": 64,
            "rusage_user": f"{usage.ru_utime:.6f}",
            "rusage_system": f"{usage.ru_stime:.6f}",
            "max_connections": self.most_connections,
            "curr_connections": self.connections,
            "total_connections": self._counters["total"],
            "rejected_connections": self._counters["rejected"],
            **{name: self._counters[name] for name in _COUNTED},
            "threads": self.threads,
            "rss": keys.rss(),
            "bytes": keys.bytes,
            "curr_items": keys.count(),
            "total_items": keys.stored,
        }
        return [(name.encode(), str(fact).encode()) for name, fact in facts.items()]
