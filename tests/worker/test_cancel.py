"""Cancelling jobs wherever they stand."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from nexq import Context, JobCancelled, JobState, Nexq
from nexq.store.moves import Entry
from tests.support.waiting import until
from tests.worker.work import SOON_S, claim_for, ended, in_state, working


async def test_a_running_async_handler_is_cancelled_within_a_second(app: Nexq) -> None:
    seen = asyncio.Event()

    @app.handler
    async def wait() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.set()
            raise

    async with working(app):
        job = await wait.enqueue()
        await in_state(job, JobState.RUNNING)
        asked = time.monotonic()
        assert await job.cancel() is JobState.RUNNING
        with pytest.raises(JobCancelled):
            await job.result(SOON_S)
        # The order reaches the worker by its list; a heartbeat would take a third of the lease, 5 s.
        assert time.monotonic() - asked < 3
        assert seen.is_set()


async def test_a_handler_may_end_in_its_own_way(app: Nexq) -> None:
    @app.handler
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "done all the same"
        return ""

    @app.handler
    async def sulky() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("while stopping") from None

    async with working(app):
        first, second = await stubborn.enqueue(), await sulky.enqueue()
        for job in (first, second):
            await in_state(job, JobState.RUNNING)
            await job.cancel()
        assert await first.result(SOON_S) == "done all the same"
        assert (await ended(second)).state is JobState.CANCELLED


async def test_a_thread_sees_that_it_shall_stop(app: Nexq) -> None:
    began = threading.Event()

    @app.handler
    def loop(ctx: Context) -> str:
        began.set()
        while not ctx.cancelled:
            time.sleep(0.005)
        return "stopped"

    async with working(app):
        job = await loop.enqueue()
        await until(began.is_set)
        await job.cancel()
        # It ended well, in its own way: that counts.
        assert await job.result(SOON_S) == "stopped"


async def test_a_thread_that_raises_when_stopped_is_cancelled(app: Nexq) -> None:
    began = threading.Event()

    @app.handler
    def loop(ctx: Context) -> None:
        began.set()
        while not ctx.cancelled:
            time.sleep(0.005)
        raise InterruptedError

    async with working(app):
        job = await loop.enqueue()
        await until(began.is_set)
        await job.cancel()
        assert (await ended(job)).state is JobState.CANCELLED


async def test_waiting_jobs_are_cancelled_at_once(app: Nexq) -> None:
    @app.handler
    async def never() -> None: ...

    ready, later = await never.enqueue(), await never.options(delay=60).enqueue()
    assert await ready.cancel() is JobState.CANCELLED
    assert await later.cancel() is JobState.CANCELLED
    assert await later.cancel() is JobState.CANCELLED
    with pytest.raises(JobCancelled):
        await later.result(SOON_S)


async def test_a_job_in_the_backlog_is_cancelled_unrun(app: Nexq) -> None:
    ran: list[str] = []
    release = asyncio.Event()

    @app.handler
    async def hold() -> None:
        await release.wait()

    @app.handler
    async def run(name: str) -> None:
        ran.append(name)

    async with working(app, concurrency=1, queues=("default",)) as worker:
        holder = await hold.enqueue()
        await in_state(holder, JobState.RUNNING)
        # As if it had been claimed ahead.
        job = await run.enqueue("x")
        (claim,) = await claim_for(app, worker, 1)
        worker.start(worker._feeds["default"], claim)
        assert await job.cancel() is JobState.RUNNING
        assert (await ended(job)).state is JobState.CANCELLED
        release.set()
        await holder.result(SOON_S)
    assert ran == []


async def test_a_cancel_means_one_claim_of_one_queue(app: Nexq) -> None:
    """The same id in two queues: only the one that was meant stops, and no later claim of it does."""
    release = asyncio.Event()

    @app.handler
    async def hold() -> str:
        await release.wait()
        return "went on"

    async with working(app, queues=("a", "b")) as worker:
        jobs = [await hold.options(queue=q, id="same").enqueue() for q in "ab"]
        for job in jobs:
            await in_state(job, JobState.RUNNING)
        await jobs[0].cancel()
        assert (await ended(jobs[0])).state is JobState.CANCELLED
        token = (await jobs[1].refresh()).run.token
        worker._stop_job("b", b"same", token - 1, "cancel")
        worker._stop_job("b", b"same", token + 1, "lost")
        release.set()
        assert await jobs[1].result(SOON_S) == "went on"


async def test_a_stop_before_the_first_step_of_a_job(app: Nexq) -> None:
    """The order comes in the very turn of the loop in which the job was started."""

    @app.handler
    async def never() -> None:
        await asyncio.sleep(60)

    async with working(app, concurrency=1, queues=("default",)) as worker:
        store = await app.store()
        await until(lambda: worker._feeds["default"].idle)
        worker._claim(False)
        await store.moves.enqueue("default", [Entry("j1", b"53never\n{}")])
        (claim,) = await claim_for(app, worker, 1)
        worker.start(worker._feeds["default"], claim)
        worker._stop_job("default", claim.id, claim.token, "cancel")
        assert (await ended(app.job("j1"))).state is JobState.CANCELLED
        assert worker._active == 0


async def test_cancel_and_timeout_together(app: Nexq) -> None:
    @app.handler(timeout=0.2)
    async def wait() -> None:
        await asyncio.sleep(60)

    async with working(app):
        jobs = [await wait.enqueue() for _ in range(5)]
        await in_state(jobs[-1], JobState.RUNNING)
        await asyncio.gather(*(job.cancel() for job in jobs))
        for job in jobs:
            assert (await ended(job)).state is JobState.CANCELLED
