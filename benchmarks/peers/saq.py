"""SAQ: lists, asyncio. Concurrency 100; job hash with the result kept 600 s (its default)."""

import sys
from pathlib import Path
from typing import Any

from saq import Queue

from benchmarks.peers import base

mark = base.handler_mark()
queue = Queue.from_url(base.URL, name="bench")


async def send_email(ctx: Any, *, to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


settings: dict[str, Any] = {"queue": queue, "functions": [send_email], "concurrency": base.CONCURRENCY}


class Peer(base.Adapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        return {
            "worker": [str(Path(sys.executable).parent / "saq"), "benchmarks.peers.saq.settings", "-q"],
            "left": [["LLEN", "saq:bench:queued"], ["LLEN", "saq:bench:active"]],
            "note": "concurrency 100; results kept 600 s",
            "versions": base.versions("saq", "redis", "hiredis"),
        }

    async def open(self) -> None:
        """See the base."""
        await queue.connect()

    async def close(self) -> None:
        """See the base."""
        await queue.disconnect()

    async def enqueue(self, n: int) -> None:
        """See the base."""
        await queue.enqueue("send_email", to=base.TO, n=n)

    async def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        await queue.enqueue("send_email", to=base.TO, n=n, scheduled=due)
