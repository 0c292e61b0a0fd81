"""RQ: lists and hashes, one job at a time. SimpleWorker (no fork per job), which is far faster; results kept 500 s."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis import Redis
from rq import Queue

from benchmarks.peers import base

mark = base.handler_mark()
queue = Queue("default", connection=Redis.from_url(base.URL))


def send_email(to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


SEND = "benchmarks.peers.rq.send_email"


class Peer(base.SyncAdapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        rq = str(Path(sys.executable).parent / "rq")
        worker = [rq, "worker", "--url", "{url}", "-w", "rq.worker.SimpleWorker", "-q", "-s", "default"]
        return {
            "worker": worker,
            "left": [["LLEN", "rq:queue:default"], ["ZCARD", "rq:wip:default"]],
            "note": "SimpleWorker, one job at a time, with the scheduler; results kept 500 s",
            "jobs": 5000,
            "versions": base.versions("rq", "redis", "hiredis"),
        }

    def enqueue(self, n: int) -> None:
        """See the base."""
        queue.enqueue(SEND, base.TO, n)

    def enqueue_many(self, ns: Sequence[int]) -> None:
        """See the base."""
        queue.enqueue_many([Queue.prepare_data(SEND, args=[base.TO, n]) for n in ns])

    def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        queue.enqueue_at(datetime.fromtimestamp(due, UTC), SEND, base.TO, n)
