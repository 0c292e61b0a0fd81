"""taskiq: Redis Streams, asyncio, on uvloop. ``list``: the list broker (no acknowledgement); ``results``: kept."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from taskiq import TaskiqScheduler
from taskiq_redis import ListQueueBroker, ListRedisScheduleSource, RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers import base

mark = base.handler_mark()
kind = ListQueueBroker if base.VARIANT == "list" else RedisStreamBroker
broker: Any = kind(url=base.URL, socket_timeout=None)
if base.VARIANT == "results":
    broker = broker.with_result_backend(RedisAsyncResultBackend(base.URL, result_ex_time=600))
source = ListRedisScheduleSource(base.URL)
scheduler = TaskiqScheduler(broker, [source])


@broker.task(task_name="send_email")
async def send_email(to: str, n: int) -> None:
    """The no-op job."""
    mark(n)


class Peer(base.Adapter):
    """See the module."""

    def describe(self) -> dict[str, Any]:
        """See the base."""
        taskiq = str(Path(sys.executable).parent / "taskiq")
        tail = ["--log-level", "WARNING"]
        worker = [taskiq, "worker", "benchmarks.peers.taskiq:broker", "-w", "1", "--max-async-tasks", "100", *tail]
        schedule = [taskiq, "scheduler", "benchmarks.peers.taskiq:scheduler", "--update-interval", "1", *tail]
        streams = [["STREAM", "taskiq", "taskiq"]]
        kept = "results kept" if base.VARIANT == "results" else "no result backend"
        return {
            "worker": worker,
            "schedule": schedule,
            "left": [["LLEN", "taskiq"]] if base.VARIANT == "list" else streams,
            "note": f"{'lists, no acknowledgement' if base.VARIANT == 'list' else 'streams'}; concurrency 100; {kept}",
            "versions": base.versions("taskiq", "taskiq-redis", "redis", "hiredis"),
        }

    async def open(self) -> None:
        """See the base."""
        await broker.startup()
        await source.startup()

    async def close(self) -> None:
        """See the base."""
        await source.shutdown()
        await broker.shutdown()

    async def enqueue(self, n: int) -> None:
        """See the base."""
        await send_email.kiq(base.TO, n)

    async def enqueue_at(self, n: int, due: float) -> None:
        """See the base."""
        await send_email.schedule_by_time(source, datetime.fromtimestamp(due, UTC), base.TO, n)
