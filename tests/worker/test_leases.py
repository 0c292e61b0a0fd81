"""Leases: renewed as long as a job runs, whatever it does to the loop; lost ones stop the job here."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from nexq import Context, JobState, Nexq
from nexq.store.moves import new_nonce
from tests.support.waiting import until
from tests.worker.work import SOON_S, ended, in_state, working

# Two files of tests run at a time: a process may be kept waiting for some tenths of a second.
LEASE_S = 1.0


async def test_long_jobs_keep_their_lease(app: Nexq) -> None:
    runs: list[int] = []

    @app.handler
    async def long_async(ctx: Context) -> None:
        runs.append(ctx.token)
        await asyncio.sleep(3 * LEASE_S)

    @app.handler
    def long_thread(ctx: Context) -> None:
        runs.append(ctx.token)
        time.sleep(3 * LEASE_S)

    # A second worker would take what is lost.
    async with working(app, lease_s=LEASE_S), working(app, lease_s=LEASE_S):
        jobs = [await h.enqueue() for h in (long_async, long_thread)]
        await asyncio.gather(*(job.result(SOON_S) for job in jobs))
    assert len(runs) == 2


async def test_a_handler_that_blocks_the_loop_keeps_its_lease(app: Nexq) -> None:
    runs = 0

    @app.handler
    async def block() -> None:
        nonlocal runs
        runs += 1
        # Nothing else of this process' loop gets a turn; a second worker in a thread would take what is lost.
        time.sleep(3 * LEASE_S)

    stop = threading.Event()

    def other() -> None:
        async def main() -> None:
            async with working(app, lease_s=LEASE_S):
                await until(stop.is_set, 60)
            await app.aclose()

        asyncio.run(main())

    async with working(app, lease_s=LEASE_S):
        job = await block.enqueue()
        await in_state(job, JobState.RUNNING, JobState.COMPLETED)
        thread = threading.Thread(target=other)
        thread.start()
        try:
            await job.result(SOON_S)
        finally:
            stop.set()
            await asyncio.to_thread(thread.join, 20)
    assert runs == 1
    assert (await job.refresh()).run.lost == 0


async def test_a_zombie_is_refused_and_its_job_runs_elsewhere(app: Nexq, caplog: pytest.LogCaptureFixture) -> None:
    release = asyncio.Event()
    runs: list[int] = []

    @app.handler
    async def work(ctx: Context) -> int:
        runs.append(ctx.token)
        if len(runs) == 1:
            await release.wait()
        return ctx.token

    async with working(app, lease_s=LEASE_S) as zombie:
        zombie._heartbeat._claims = dict  # its heartbeat renews nothing any more
        job = await work.enqueue()
        await until(lambda: runs, SOON_S)
        zombie._claim(False)
        async with working(app, lease_s=LEASE_S):
            assert await job.result(SOON_S) == runs[1]
        release.set()
        await until(lambda: "came too late" in caplog.text, SOON_S)
    record = await job.refresh()
    assert len(runs) == 2
    assert runs[1] > runs[0]
    assert (record.state, record.run.token, record.run.attempt, record.run.lost) == ("completed", runs[1], 1, 1)


async def test_a_lost_lease_stops_the_job_here(app: Nexq) -> None:
    stopped: list[bool] = []
    began = asyncio.Event()

    @app.handler
    async def work(ctx: Context) -> str:
        if ctx.delivery == 1:
            began.set()
            try:
                await asyncio.sleep(60)
            finally:
                stopped.append(ctx.cancelled)
        return "second"

    async with working(app, lease_s=LEASE_S) as first:
        claims, first._heartbeat._claims = first._heartbeat._claims, dict
        job = await work.enqueue()
        await began.wait()
        first._claim(False)
        async with working(app, lease_s=LEASE_S):
            assert await job.result(SOON_S) == "second"
        first._heartbeat._claims = claims
        await until(lambda: stopped == [True], SOON_S)
        await until(lambda: first._active == 0)


async def test_a_job_that_comes_back_to_its_worker_goes_on(app: Nexq) -> None:
    """The server was away for longer than the lease: the worker takes its own job back, and does not run it twice."""
    release = asyncio.Event()
    runs = 0

    @app.handler
    async def work() -> str:
        nonlocal runs
        runs += 1
        await release.wait()
        return "once"

    async with working(app, lease_s=LEASE_S) as worker:
        claims, worker._heartbeat._claims = worker._heartbeat._claims, dict
        job = await work.enqueue()
        await in_state(job, JobState.RUNNING)

        async def came_back() -> bool:
            return (await job.refresh()).run.delivery == 2

        await until(came_back, SOON_S)
        worker._heartbeat._claims = claims
        release.set()
        assert await job.result(SOON_S) == "once"
        assert (worker._active, runs) == (0, 1)


async def test_a_worker_that_dies_again_and_again_buries_its_job(app: Nexq) -> None:
    @app.handler(max_deliveries=2)
    async def work() -> None:
        await asyncio.sleep(60)

    job = await work.enqueue()
    store = await app.store()
    for n in range(3):
        # Claimed by a worker that is never heard of again.
        (claim,) = (await store.moves.exchange("default", f"dead{n}", new_nonce(), lease_ms=1, limit=1)).claims

        async def expired(token: int = claim.token) -> bool:
            record = await job.refresh()
            await store.moves.tidy("default")
            return record.state is not JobState.RUNNING or record.run.token != token

        await until(expired, SOON_S)
    record = await ended(job)
    assert (record.state, record.run.lost) == (JobState.DEAD, 3)
    assert record.last_error.startswith("WorkerLost")


async def test_a_heartbeat_survives_what_it_does_not_know(app: Nexq, caplog: pytest.LogCaptureFixture) -> None:
    @app.handler
    async def work() -> None:
        await asyncio.sleep(3 * LEASE_S)

    async with working(app, lease_s=LEASE_S) as worker:
        info, calls = worker._heartbeat._info, 0

        def failing() -> dict[str, object]:
            nonlocal calls
            calls += 1
            raise ValueError("a defect")

        worker._heartbeat._info = failing
        job = await work.enqueue()
        await job.result(SOON_S)
        await until(lambda: calls >= 2, SOON_S)
        worker._heartbeat._info = info
        await (await app.store()).members.order(worker.settings.id, "no such order")
        await until(lambda: "not known" in caplog.text, SOON_S)
    assert (await job.refresh()).run.lost == 0
