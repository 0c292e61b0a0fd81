"""Celery: lists. Ten threads (faster than prefork with one process), prefetch 128; ``results``: kept in Redis."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from celery import Celery, group

from benchmarks.peers import base

mark = base.handler_mark()
KEEP = base.VARIANT == "results"
app = Celery("bench", broker=base.URL, backend=base.URL if KEEP else None)
app.conf.worker_prefetch_multiplier = 128
app.conf.broker_connection_retry_on_startup = True
app.conf.worker_hijack_root_logger = False


@app.task(name="send_email", ignore_result=not KEEP)
def send_email(to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


class Peer(base.SyncAdapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        worker = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "benchmarks.peers.celery",
            "worker",
            "-P",
            "threads",
            "-c",
            "10",
        ]
        return {
            "worker": [*worker, "-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"],
            "left": [["LLEN", "celery"], ["HLEN", "unacked"]],
            "note": "10 threads, prefetch 128; "
            + ("results kept" if KEEP else "no results; acknowledged before the run"),
            "jobs": 10000,
            "versions": base.versions("celery", "kombu", "redis", "hiredis"),
        }

    def enqueue(self, n: int) -> None:
        """See the base."""
        send_email.delay(base.TO, n)

    def enqueue_many(self, ns: Sequence[int]) -> None:
        """See the base."""
        group(send_email.s(base.TO, n) for n in ns).apply_async()

    def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        send_email.apply_async((base.TO, n), eta=datetime.fromtimestamp(due, UTC))
