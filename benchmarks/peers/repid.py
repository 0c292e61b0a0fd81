"""repid: Redis Streams, asyncio. Fetches batches of 100 instead of 10; no delayed jobs and no results."""

import json
import sys
from typing import Any

from repid import RedisServer, Repid, Router

from benchmarks.peers import base

mark = base.handler_mark()
app = Repid(title="bench", version="1")
app.servers.register_server("default", RedisServer(base.URL, batch_size=100), is_default=True)
router = Router()


@router.actor
async def send_email(to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


app.include_router(router)


class Peer(base.Adapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        return {
            "worker": [sys.executable, "-m", "benchmarks.peers", "repid", "worker"],
            "left": [["STREAM", "repid:default", "repid:default:group"]],
            "note": "batch_size 100, concurrency 100; no results, no delays; entries stay in the stream",
            "delayed": False,
            "versions": base.versions("repid", "redis", "hiredis"),
        }

    async def open(self) -> None:
        """See the base."""
        self.connection = app.servers.default.connection()
        await self.connection.__aenter__()

    async def close(self) -> None:
        """See the base."""
        await self.connection.__aexit__(None, None, None)

    async def enqueue(self, n: int) -> None:
        """See the base."""
        payload = json.dumps(base.payload(n)).encode()
        await app.send_message(channel="default", payload=payload, headers={"topic": "send_email"})

    async def worker(self) -> None:
        """See the base."""
        async with app.servers.default.connection():
            await app.run_worker(tasks_limit=base.CONCURRENCY)
