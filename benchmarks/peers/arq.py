"""arq: one sorted set, asyncio. It polls each 0.5 s, so max_jobs is 1000 (``100``: half as fast); results kept 1 h."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings

from benchmarks.peers import base

mark = base.handler_mark()


async def send_email(ctx: dict[str, Any], to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


class WorkerSettings:
    """What arq's command reads."""

    functions: ClassVar[list[Any]] = [send_email]
    redis_settings = RedisSettings.from_dsn(base.URL)
    max_jobs = 100 if base.VARIANT == "100" else 1000


class Peer(base.Adapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        return {
            "worker": [str(Path(sys.executable).parent / "arq"), "benchmarks.peers.arq.WorkerSettings"],
            "left": [["ZCARD", "arq:queue"]],
            "note": f"max_jobs {WorkerSettings.max_jobs}, poll_delay 0.5 s (default); results kept 1 h",
            "versions": base.versions("arq", "redis", "hiredis"),
        }

    async def open(self) -> None:
        """See the base."""
        self.pool = await create_pool(WorkerSettings.redis_settings)

    async def close(self) -> None:
        """See the base."""
        await self.pool.aclose()

    async def enqueue(self, n: int) -> None:
        """See the base."""
        await self.pool.enqueue_job("send_email", base.TO, n)

    async def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        await self.pool.enqueue_job("send_email", base.TO, n, _defer_until=datetime.fromtimestamp(due, UTC))
