"""Stopping a worker: what runs may end, what waits is given back, and nothing is counted that did not happen."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time

import pytest

from nexq import JobState, Nexq
from nexq.worker.loop import Worker
from tests.support.servers import Server
from tests.support.waiting import until, until_sync
from tests.worker.work import SOON_S, claim_for, in_state, settings


async def start(app: Nexq, **changes: object) -> tuple[Worker, asyncio.Task[None]]:
    """A worker that the test stops itself; the task ends with its store closed."""
    worker, store = await app.make_worker(settings=settings(app, **changes))

    async def run() -> None:
        try:
            await worker.run()
        finally:
            await store.aclose()

    return worker, asyncio.create_task(run())


async def test_running_jobs_end_and_waiting_ones_are_left(app: Nexq) -> None:
    release = asyncio.Event()

    @app.handler
    async def hold() -> str:
        await release.wait()
        return "ended"

    jobs = [await hold.enqueue() for _ in range(5)]
    worker, task = await start(app, concurrency=2, grace_s=30)
    await until(lambda: worker._active == 2, SOON_S)
    worker.stop()
    late = await hold.enqueue()
    assert not task.done()
    release.set()
    await asyncio.wait_for(task, SOON_S)
    assert [await job.state() for job in jobs] == [JobState.COMPLETED] * 2 + [JobState.READY] * 3
    assert await late.state() is JobState.READY


async def test_the_backlog_is_given_back_at_once(app: Nexq) -> None:
    release = asyncio.Event()

    @app.handler
    async def hold() -> None:
        await release.wait()

    worker, task = await start(app, concurrency=1, grace_s=30)
    first = await hold.enqueue()
    await in_state(first, JobState.RUNNING)
    ahead = [await hold.enqueue() for _ in range(3)]
    for claim in await claim_for(app, worker, 3):
        worker.start(worker._feeds["default"], claim)
    worker.stop()
    for job in ahead:
        record = await in_state(job, JobState.READY)
        assert record.run.attempt == 0
    assert await first.state() is JobState.RUNNING
    release.set()
    await asyncio.wait_for(task, SOON_S)
    assert await first.state() is JobState.COMPLETED


async def test_after_the_grace_jobs_are_given_back_and_no_attempt(app: Nexq) -> None:
    stopped = 0

    @app.handler
    async def hold() -> None:
        nonlocal stopped
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            stopped += 1
            raise

    jobs = [await hold.enqueue() for _ in range(3)]
    worker, task = await start(app, grace_s=0.1)
    await until(lambda: worker._active == 3, SOON_S)
    worker.stop()
    await asyncio.wait_for(task, SOON_S)
    assert stopped == 3
    for job in jobs:
        record = await job.refresh()
        assert (record.state, record.run.attempt, record.run.delivery) == (JobState.READY, 0, 1)


async def test_hurry_does_not_wait_for_the_grace(app: Nexq) -> None:
    @app.handler
    async def hold() -> None:
        await asyncio.sleep(60)

    job = await hold.enqueue()
    worker, task = await start(app, grace_s=600)
    await until(lambda: worker._active == 1, SOON_S)
    worker.stop()
    await asyncio.sleep(0)
    worker.hurry()
    await asyncio.wait_for(task, SOON_S)
    assert await job.state() is JobState.READY


async def test_claims_that_arrive_after_the_stop_are_given_back(app: Nexq) -> None:
    """The exchange was under way: nothing of it starts, nothing of it waits for its lease to end."""
    ran = 0

    @app.handler
    async def count() -> None:
        nonlocal ran
        ran += 1

    worker, task = await start(app, grace_s=5)
    await until(lambda: worker._feeds["default"].idle, SOON_S)
    jobs = await app.enqueue_many(count.bind() for _ in range(50))
    # In the same turn in which the wake-up lets the exchange go out.
    await until(lambda: worker._feeds["default"]._under_way or ran, SOON_S)
    worker.stop()
    await asyncio.wait_for(task, SOON_S)
    states = [await job.state() for job in jobs]
    assert states.count(JobState.RUNNING) == 0
    assert states.count(JobState.COMPLETED) == ran


@pytest.mark.parametrize("times", range(3))
async def test_stops_at_any_moment_lose_nothing(app: Nexq, times: int) -> None:
    """Workers come and go under load; every job runs, none is counted as lost, none more often than it was begun."""
    done: list[int] = []

    @app.handler
    async def work(n: int) -> None:
        await asyncio.sleep(0.0005 * (n % 3))
        done.append(n)

    jobs = await app.enqueue_many(work.bind(n) for n in range(1500))
    goal = 0
    while len(done) < 1500:
        worker, task = await start(app, concurrency=5, grace_s=5)
        goal = min(1500, len(done) + 40 + goal // 4)
        await until(lambda least=goal: len(done) >= least, SOON_S)
        worker.stop()
        await asyncio.wait_for(task, SOON_S)
    assert sorted(done) == list(range(1500))
    store = await app.store()
    view = await store.views.queue("default")
    assert view.counts[JobState.COMPLETED] == len(jobs)
    assert view.totals.get("lost", 0) == 0


STUCK = """
import sys, time
from nexq import Nexq
from nexq.worker.settings import WorkerSettings
app = Nexq(sys.argv[1], namespace=sys.argv[2])

@app.handler
def stuck() -> None:
    print("began", flush=True)
    time.sleep(600)

app.run_worker(settings=WorkerSettings(concurrency=1, grace_s=0.1))
"""


def test_a_thread_that_never_ends_does_not_hold_the_process(valkey: Server, make_app: object) -> None:
    app = make_app()  # type: ignore[operator]
    job = app.sync.enqueue("stuck")
    command = [sys.executable, "-W", "ignore", "-c", STUCK, valkey.url, app.namespace]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ}) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"began\n"
            asked = time.monotonic()
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            assert time.monotonic() - asked < 20
        finally:
            process.kill()
    until_sync(lambda: job.state() is JobState.READY)
    assert job.refresh().run.attempt == 0
