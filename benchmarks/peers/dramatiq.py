"""dramatiq: lists and Lua, threads. One process with 32 threads (the fastest of 8 and 32); ``results``: kept 10 min."""

import math
import sys
import time
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.peers import base

mark = base.handler_mark()
broker = RedisBroker(url=base.URL)
if base.VARIANT == "results":
    broker.add_middleware(Results(backend=RedisBackend(url=base.URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(store_results=True) if base.VARIANT == "results" else dramatiq.actor
def send_email(to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


class Peer(base.SyncAdapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        return {
            "worker": [sys.executable, "-m", "dramatiq", "benchmarks.peers.dramatiq", "-p", "1", "-t", "32"],
            "left": [["HLEN", "dramatiq:default.msgs"], ["HLEN", "dramatiq:default.DQ.msgs"]],
            "note": "1 process, 32 threads; " + ("results kept" if base.VARIANT == "results" else "no results"),
            "versions": base.versions("dramatiq", "redis", "hiredis"),
        }

    def enqueue(self, n: int) -> None:
        """See the base."""
        send_email.send(base.TO, n)

    def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        send_email.send_with_options(args=(base.TO, n), delay=math.ceil((due - time.time()) * 1000))
