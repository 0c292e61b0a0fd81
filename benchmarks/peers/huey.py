"""huey: lists, threads. One worker thread, the fastest of 1 and 10; it stores no result that is None (its default)."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from huey import RedisHuey

from benchmarks.peers import base

mark = base.handler_mark()
huey = RedisHuey("bench", url=base.URL, utc=False)


@huey.task()
def send_email(to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


class Peer(base.SyncAdapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        consumer = str(Path(sys.executable).parent / "huey_consumer")
        return {
            "worker": [consumer, "benchmarks.peers.huey.huey", "-w", "1", "-k", "thread", "-q"],
            "left": [["LLEN", "huey.redis.bench"]],
            "note": "1 thread; popped is gone, no acknowledgement; None results are not stored",
            "versions": base.versions("huey", "redis", "hiredis"),
        }

    def enqueue(self, n: int) -> None:
        """See the base."""
        send_email(base.TO, n)

    def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        send_email.schedule((base.TO, n), eta=datetime.fromtimestamp(due))
