"""Who gets the slots: priorities, queues beside each other, what is claimed ahead, and how many there are."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter

from nexq import JobState, Nexq
from tests.support.waiting import until
from tests.worker.work import SOON_S, in_state, settings, working


async def test_priorities_are_respected(app: Nexq) -> None:
    order: list[int] = []

    @app.handler
    async def note(n: int) -> None:
        order.append(n)

    for n in (1, 9, 5, 0, 7, 9, 3):
        await note.options(priority=n).enqueue(n)
    await note.options(priority="high").enqueue(100)
    await note.options(priority="low").enqueue(101)
    async with working(app, concurrency=1):
        await until(lambda: len(order) == 9, SOON_S)
    assert order == [9, 9, 100, 7, 5, 3, 1, 101, 0]


async def test_a_queue_that_comes_late_gets_its_share(app: Nexq) -> None:
    """Queue a fills all slots and has more; b's jobs do not wait until a is empty."""
    ran: list[str] = []

    @app.handler
    async def work(name: str) -> None:
        ran.append(name)
        await asyncio.sleep(0.01)

    await app.enqueue_many(work.bind("a") for _ in range(300))
    async with working(app, concurrency=4, queues=("default", "b")):
        await until(lambda: len(ran) >= 20, SOON_S)
        at = len(ran)
        await asyncio.gather(*(work.options(queue="b").enqueue("b") for _ in range(30)))
        await until(lambda: ran.count("b") == 30, SOON_S)
        # Half of the slots were b's as long as it had jobs; without turns it would have come after all of a.
        meanwhile = Counter(ran[at:])["a"]
        assert meanwhile < 150, f"{meanwhile} jobs of a ran until 30 of b had"
        await until(lambda: len(ran) == 330, SOON_S)


async def test_three_queues_share_one_slot(app: Nexq) -> None:
    ran: list[str] = []

    @app.handler
    async def work(name: str) -> None:
        ran.append(name)
        await asyncio.sleep(0.001)

    for queue in "abc":
        await asyncio.gather(*(work.options(queue=queue).enqueue(queue) for _ in range(20)))
    async with working(app, concurrency=1, queues=tuple("abc")):
        await until(lambda: len(ran) == 60, SOON_S)
    assert min(Counter(ran[:30]).values()) >= 5


async def test_slow_jobs_are_not_hoarded(app: Nexq) -> None:
    """Two slots and slow jobs: a second worker gets the rest at once."""
    release = asyncio.Event()

    @app.handler
    async def slow() -> None:
        await release.wait()

    jobs = [await slow.enqueue() for _ in range(4)]
    async with working(app, concurrency=2) as first, working(app, concurrency=2) as second:
        await until(lambda: first._active == second._active == 2, SOON_S)
        release.set()
        await asyncio.gather(*(job.result(SOON_S) for job in jobs))


async def test_what_was_claimed_ahead_is_given_back_when_jobs_become_slow(app: Nexq) -> None:
    release = asyncio.Event()

    @app.handler
    async def quick() -> None: ...

    @app.handler
    async def slow() -> None:
        await release.wait()

    await app.enqueue_many(quick.bind() for _ in range(3000))
    slow_jobs = await app.enqueue_many(slow.bind() for _ in range(8))
    async with working(app, concurrency=4) as first:
        await until(lambda: first.done == 3000, SOON_S)
        async with working(app, concurrency=4) as second:
            await until(lambda: first._active == second._active == 4, SOON_S)
            assert not first._backlog
            release.set()
            await asyncio.gather(*(job.result(SOON_S) for job in slow_jobs))


async def test_the_number_of_slots_can_be_changed(app: Nexq) -> None:
    release = asyncio.Event()
    now = most = 0

    @app.handler
    async def hold() -> None:
        nonlocal now, most
        now += 1
        most = max(now, most)
        await release.wait()
        now -= 1

    jobs = [await hold.enqueue() for _ in range(12)]
    async with working(app, concurrency=1) as worker:
        await until(lambda: now == 1, SOON_S)
        worker.set_concurrency(3)
        await until(lambda: now == 3, SOON_S)
        await (await app.store()).members.order(worker.settings.id, "concurrency 5")
        await until(lambda: now == 5, SOON_S)
        await (await app.store()).members.order(worker.settings.id, "concurrency 2")
        await until(lambda: worker._concurrency == 2, SOON_S)
        release.set()
        await asyncio.gather(*(job.result(SOON_S) for job in jobs))
    assert most == 5


async def test_more_threads_come_with_more_slots(app: Nexq) -> None:
    barrier = threading.Barrier(3)

    @app.handler
    def meet() -> int:
        return barrier.wait(20)

    async with working(app, concurrency=1) as worker:
        worker.set_concurrency(3)
        jobs = [await meet.enqueue() for _ in range(3)]
        assert sorted([await job.result(SOON_S) for job in jobs]) == [0, 1, 2]


async def test_orders_to_drain_and_to_resume(app: Nexq) -> None:
    @app.handler
    async def quick() -> str:
        return "ran"

    async with working(app) as worker:
        members = (await app.store()).members
        assert await (await quick.enqueue()).result(SOON_S) == "ran"
        await members.order(worker.settings.id, "drain")
        await until(lambda: not worker._claiming, SOON_S)
        job = await quick.enqueue()
        async with working(app) as other:
            # A worker that claims no more leaves the wake-up to others.
            assert await job.result(SOON_S) == "ran"
            assert other.done == 1
        later = await quick.enqueue()
        assert await later.state() is JobState.READY
        await members.order(worker.settings.id, "resume")
        assert await later.result(SOON_S) == "ran"
        await members.order(worker.settings.id, "dance")
        await members.order(worker.settings.id, "stop")
        await until(worker._stopping.is_set, SOON_S)


async def test_a_burst_ends_when_nothing_is_left(app: Nexq) -> None:
    ran: list[int] = []

    @app.handler
    async def chain(n: int) -> None:
        ran.append(n)
        if n:
            await chain.enqueue(n - 1)

    late = await chain.options(delay=60).enqueue(0)
    for _ in range(3):
        await chain.enqueue(5)
    worker, store = await app.make_worker(settings=settings(app, burst=True))
    try:
        await asyncio.wait_for(worker.run(), SOON_S)
    finally:
        await store.aclose()
    assert len(ran) == 18
    assert await late.state() is JobState.SCHEDULED


async def test_jobs_that_are_due_later_start_without_a_poll(app: Nexq) -> None:
    loop = asyncio.get_running_loop()
    times: dict[str, float] = {}

    @app.handler
    async def note(name: str) -> None:
        times[name] = loop.time()

    async with working(app):
        await until(lambda: True)
        begun = loop.time()
        # The sooner one comes last: its enqueue wakes the worker, which had planned a later look.
        await note.options(delay=0.6).enqueue("later")
        job = await note.options(delay=0.2).enqueue("sooner")
        await in_state(job, JobState.COMPLETED)
        await until(lambda: len(times) == 2, SOON_S)
    assert 0.19 < times["sooner"] - begun < times["later"] - begun
    assert times["later"] - begun < 2.0
