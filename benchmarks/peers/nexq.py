"""nexq itself: concurrency 100, results kept (its default). ``api``: started from Python, not by the command."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks.peers import base
from nexq import Nexq

mark = base.handler_mark()
app = Nexq(base.URL)
QUEUE = "default"


@app.handler("send_email")
async def send_email(to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


def key(name: str) -> str:
    """A key of the queue."""
    return f"nexq:{{{QUEUE}}}:{name}"


class Peer(base.Adapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        places = [*(f"ready:{priority}" for priority in range(10)), "scheduled", "retrying", "running"]
        worker = [sys.executable, "-m", "nexq", "worker", "benchmarks.peers.nexq:app", "--concurrency", "100"]
        if base.VARIANT == "api":
            worker = [sys.executable, "-m", "benchmarks.peers", "nexq", "worker"]
        return {
            "worker": worker,
            "left": [["ZCARD", key(place)] for place in places],
            "completed": [["ZCARD", key("completed")]],
            "note": "concurrency 100, results kept",
            "versions": base.versions("redis", "hiredis"),
        }

    async def close(self) -> None:
        """See the base."""
        await app.aclose()

    async def enqueue(self, n: int) -> None:
        """See the base."""
        await send_email.enqueue(to=base.TO, n=n)

    async def enqueue_many(self, ns: Sequence[int]) -> None:
        """See the base."""
        await app.enqueue_many(send_email.bind(to=base.TO, n=n) for n in ns)

    async def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        await send_email.options(run_at=datetime.fromtimestamp(due, UTC)).enqueue(to=base.TO, n=n)

    async def worker(self) -> None:
        """See the base."""
        async with app.worker(concurrency=base.CONCURRENCY):
            await asyncio.Event().wait()
