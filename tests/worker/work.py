"""Workers beside a test, and what is asked of them again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from nexq import Job, JobState, Nexq
from nexq.app import Handler
from nexq.job import JobRecord
from nexq.store.moves import Claim, new_nonce
from nexq.worker.loop import Worker
from nexq.worker.settings import WorkerSettings
from tests.support.waiting import until

#: Long enough for a machine that does much else; a test waits for facts, not for this.
SOON_S = 10.0


def settings(app: Nexq, **changes: Any) -> WorkerSettings:
    """Settings for tests: the app's queues, few slots, no long grace."""
    queues = tuple(app.registry.queues() or ("default",))
    return WorkerSettings(**{"queues": queues, "concurrency": 10, "grace_s": 0.2, **changes})


@asynccontextmanager
async def working(app: Nexq, **changes: Any) -> AsyncIterator[Worker]:
    """A worker beside the test."""
    async with app.worker(settings=settings(app, **changes)) as worker:
        yield worker


async def ended(job: Job[Any], timeout_s: float = SOON_S) -> JobRecord:
    """The job's record once it has ended."""
    return await in_state(job, JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED, timeout_s=timeout_s)


async def in_state(job: Job[Any], *states: JobState, timeout_s: float = SOON_S) -> JobRecord:
    """The job's record once it is in one of the states."""

    async def there() -> JobRecord | None:
        record = await job.refresh()
        return record if record.state in states else None

    record = await until(there, timeout_s, f"job {job.id} to be {' or '.join(states)}")
    assert isinstance(record, JobRecord)
    return record


async def claim_for(app: Nexq, worker: Worker, limit: int) -> list[Claim]:
    """Claims in a worker's name, as if its own feed had made them."""
    moves = (await app.store()).moves
    exchanged = await moves.exchange("default", worker.settings.id, new_nonce(), lease_ms=15_000, limit=limit)
    return exchanged.claims


def with_handler(app: Nexq) -> Nexq:
    @app.handler("add", queue="sums", priority="high")
    async def add(a: int, b: float = 0.0) -> float:
        return a + b

    return app


def add(app: Nexq) -> Any:
    spec = app.registry.get("add")
    assert spec is not None
    return Handler(app, spec)
