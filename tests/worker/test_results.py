"""Waiting for results, by many at once, on several loops, and without a loop."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from nexq import JobCancelled, JobFailed, JobState, Nexq, NexqError, Retry
from nexq.errors import JobNotFound, ResultTimeout
from tests.support.servers import Server
from tests.support.waiting import until
from tests.worker.conftest import MakeApp
from tests.worker.work import SOON_S, in_state, working


async def test_the_ways_a_wait_can_end(app: Nexq) -> None:
    @app.handler(retry=Retry(max_attempts=1))
    async def work(how: str) -> str:
        if how == "fail":
            raise KeyError("gone")
        return how

    async with working(app):
        assert await (await work.enqueue("well")).result(SOON_S) == "well"
        failed = await work.enqueue("fail")
        with pytest.raises(JobFailed, match="KeyError") as caught:
            await failed.result(SOON_S)
        assert (caught.value.id, caught.value.error) == (failed.id, "KeyError: 'gone'")
        assert 'raise KeyError("gone")' in caught.value.traceback
    waiting = await work.enqueue("later")
    with pytest.raises(ResultTimeout) as late:
        await waiting.result(0.05)
    assert (late.value.id, late.value.state) == (waiting.id, "ready")
    with pytest.raises(ResultTimeout):
        await waiting.result(0)
    await waiting.cancel()
    with pytest.raises(JobCancelled):
        await waiting.result(SOON_S)
    with pytest.raises(JobNotFound):
        await app.job("no-such-job").result(1)
    assert issubclass(ResultTimeout, TimeoutError)


async def test_a_wait_that_is_given_up_leaves_others_alone(app: Nexq) -> None:
    release = asyncio.Event()

    @app.handler
    async def work() -> str:
        await release.wait()
        return "ended"

    async with working(app):
        job = await work.enqueue()
        waits = [asyncio.create_task(job.result(SOON_S)) for _ in range(5)]
        await in_state(job, JobState.RUNNING)
        waits[0].cancel()
        release.set()
        assert await asyncio.gather(*waits[1:]) == ["ended"] * 4
        assert await job.result(0) == "ended"


async def test_hundreds_wait_on_one_connection(app: Nexq, valkey: Server) -> None:
    @app.handler
    async def work(n: int) -> int:
        await asyncio.sleep(0.001 * (n % 20))
        return n

    def clients() -> int:
        return int(valkey.wire.call("INFO", "clients").decode().split("connected_clients:")[1].split()[0])

    async with working(app, concurrency=50, queues=("default", "other")):
        await (await work.enqueue(0)).result(SOON_S)
        before = clients()
        jobs = await app.enqueue_many((work.options(queue="other") if n % 3 == 0 else work).bind(n) for n in range(300))
        assert await asyncio.gather(*(j.result(SOON_S) for j in jobs)) == list(range(300))
        assert clients() <= before + 1


def test_several_loops_one_after_the_other(valkey: Server, make_app: MakeApp) -> None:
    app = make_app()

    @app.handler
    async def work(n: int) -> int:
        return n * n

    async def main(n: int) -> int:
        async with app, working(app):
            return await (await work.enqueue(n)).result(SOON_S)

    assert [asyncio.run(main(n)) for n in (2, 3, 4)] == [4, 9, 16]


@pytest.fixture
def worker_thread(make_app: MakeApp) -> Iterator[Nexq]:
    """An app with a worker in a thread with a loop of its own, for tests without one."""
    app, stop, ready = make_app(), threading.Event(), threading.Event()

    @app.handler("double")
    def double(n: int) -> int:
        return 2 * n

    async def main() -> None:
        async with app, working(app):
            ready.set()
            await until(stop.is_set, 60)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert ready.wait(20)
    yield app
    stop.set()
    thread.join(20)
    assert not thread.is_alive()


def test_the_names_without_async(worker_thread: Nexq) -> None:
    app = worker_thread
    job = app.sync.enqueue("double", {"n": 4}, priority="low")
    assert job.result(SOON_S) == 8
    assert (job.state(), job.cancel(), job.duplicate) == (JobState.COMPLETED, JobState.COMPLETED, False)
    assert job.refresh().spec.priority == 1
    app.sync.close()
    # After a close they can be used again.
    assert app.sync.enqueue("double", 5).result(SOON_S) == 10


def test_without_async_from_many_threads(worker_thread: Nexq) -> None:
    def ask(n: int) -> int:
        result: int = worker_thread.sync.enqueue("double", n).result(SOON_S)
        return result

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(40))) == [2 * n for n in range(40)]


def test_without_async_in_a_forked_child(worker_thread: Nexq) -> None:
    app = worker_thread
    assert app.sync.enqueue("double", 1).result(SOON_S) == 2
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if app.sync.enqueue("double", 21).result(SOON_S) == 42 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert app.sync.enqueue("double", 3).result(SOON_S) == 6


async def test_the_sync_names_refuse_to_block_their_own_loop(app: Nexq) -> None:
    @app.handler
    async def work() -> None: ...

    async def inside() -> None:
        work.sync.enqueue()

    with pytest.raises(NexqError, match="cannot be used inside the loop"):
        await asyncio.to_thread(app.runner.run, inside())


async def test_a_worker_beside_other_work(app: Nexq) -> None:
    """Jobs may submit jobs and wait for them, and the block's end drains."""

    @app.handler
    async def leaf(n: int) -> int:
        return n

    @app.handler
    async def total(n: int) -> int:
        jobs = [await leaf.enqueue(i) for i in range(n)]
        return sum(await asyncio.gather(*(j.result(SOON_S) for j in jobs)))

    async with app.worker(concurrency=4) as worker:
        assert await (await total.enqueue(10)).result(SOON_S) == 45
        assert worker.ready
        last = await leaf.enqueue(1)
        await in_state(last, JobState.COMPLETED)
    assert worker.done == 12


async def test_revive_and_run_now(app: Nexq) -> None:
    runs = 0

    @app.handler(retry=Retry(max_attempts=1))
    async def work() -> int:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError("the first time")
        return runs

    async with working(app):
        job = await work.enqueue()
        with pytest.raises(JobFailed):
            await job.result(SOON_S)
        assert await job.revive()
        assert await job.result(SOON_S) == 2
        assert not await job.revive()
        later = await work.options(delay=600).enqueue()
        assert await later.run_now()
        assert await later.result(SOON_S) == 3


async def test_an_app_closes_at_any_moment_of_its_listening(make_app: MakeApp) -> None:
    """Also while the listening connection is being opened, and for another queue anew."""
    for turns in range(12):
        app = make_app()

        @app.handler(f"work{turns}")
        async def work() -> None: ...

        jobs = [await work.options(queue=q).enqueue() for q in ("default", "other")]
        waits = [asyncio.create_task(job.result(SOON_S)) for job in jobs]
        for _ in range(turns):
            await asyncio.sleep(0)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        await asyncio.wait_for(app.aclose(), SOON_S)
