"""A tour of nexq: one idea a stop, in the order in which you will meet them. Each runs as it stands here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest
from pydantic import BaseModel

from nexq import CONTEXT, Bury, Context, Depends, JobCancelled, JobFailed, JobState, Nexq, Retry, Snooze


async def test_1_a_handler_a_job_a_worker_a_result(app: Nexq) -> None:
    # A handler is a function with a name that jobs can ask for.
    @app.handler("greet")
    async def greet(name: str) -> str:
        return f"Hello, {name}!"

    # A job is one request to run it. It waits in its queue until a worker has time.
    job = await greet.enqueue("Ada")
    assert await job.state() is JobState.READY

    # A worker runs it; whoever holds the job can wait for the result.
    async with app.worker():
        assert await job.result(timeout=10) == "Hello, Ada!"
    assert await job.state() is JobState.COMPLETED

    # And the function is still a function.
    assert await greet("Grace") == "Hello, Grace!"


async def test_2_plain_functions_run_in_threads(app: Nexq) -> None:
    @app.handler
    def count_words(text: str) -> int:
        time.sleep(0.01)  # blocks nobody
        return len(text.split())

    async with app.worker():
        assert await (await count_words.enqueue("to be or not")).result(timeout=10) == 4


class Order(BaseModel):
    item: str
    due: date


async def test_3_arguments_are_checked_and_keep_their_types(app: Nexq) -> None:
    @app.handler
    async def postpone(order: Order, by: timedelta) -> Order:
        return Order(item=order.item, due=order.due + by)

    async with app.worker():
        job = await postpone.enqueue(Order(item="tea", due=date(2030, 1, 1)), by=timedelta(days=7))
        assert await job.result(timeout=10) == Order(item="tea", due=date(2030, 1, 8))

    # What does not fit is refused where it is submitted, not found by a worker at night.
    with pytest.raises(ValueError, match="/order/due"):
        await app.enqueue("postpone", {"order": {"item": "tea", "due": "some day"}, "by": 60})


async def test_4_urgent_jobs_first_later_jobs_later(app: Nexq) -> None:
    done: list[str] = []

    @app.handler
    async def note(what: str) -> None:
        done.append(what)

    await note.enqueue("normal")
    await note.options(priority="low").enqueue("low")
    await note.options(priority="high").enqueue("high")
    soon = await note.options(delay=0.1).enqueue("a moment later")
    next_year = await note.options(run_at=datetime.now(UTC) + timedelta(days=365)).enqueue("next year")

    async with app.worker(concurrency=1):
        await soon.result(timeout=10)
    assert done == ["high", "normal", "low", "a moment later"]
    assert await next_year.state() is JobState.SCHEDULED


async def test_5_failures_are_tried_again(app: Nexq) -> None:
    @app.handler(retry=Retry(max_attempts=3, base=0.01, on=(ConnectionError,)))
    async def fetch(ctx: Context) -> str:
        if not ctx.last_attempt:
            raise ConnectionError("the line is busy")
        return f"attempt {ctx.attempt} of {ctx.max_attempts}"

    @app.handler(retry=Retry(max_attempts=3, on=(ConnectionError,)))
    async def misspelt() -> None:
        raise KeyError("no wait helps against this")

    async with app.worker():
        assert await (await fetch.enqueue()).result(timeout=10) == "attempt 3 of 3"
        # What is out of attempts, or not worth another, is dead: kept, with its error, until you look.
        dead = await misspelt.enqueue()
        with pytest.raises(JobFailed, match="KeyError"):
            await dead.result(timeout=10)
    assert await dead.state() is JobState.DEAD


async def test_6_a_handler_can_say_how_its_job_goes_on(app: Nexq) -> None:
    @app.handler
    async def when_ready(path: str, ctx: Context = CONTEXT) -> str | Snooze | Bury:
        if path == "broken":
            return Bury("nothing will mend this")
        if ctx.delivery < 3:
            return Snooze(0.01)  # not yet: ask again. This is no failure and no attempt.
        return path

    async with app.worker():
        assert await (await when_ready.enqueue("report")).result(timeout=10) == "report"
        with pytest.raises(JobFailed, match="nothing will mend this"):
            await (await when_ready.enqueue("broken")).result(timeout=10)


class Mailbox:
    """Something that has to be opened and closed."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.open = True


mailboxes: list[Mailbox] = []


async def open_mailbox() -> AsyncIterator[Mailbox]:
    mailboxes.append(Mailbox())
    yield mailboxes[-1]
    mailboxes[-1].open = False


async def test_7_what_a_handler_needs_is_given_to_it(app: Nexq) -> None:
    # Made once when the first job asks, closed when the worker stops. scope="job" would be for each run.
    mailbox = Depends(open_mailbox, scope="worker")

    @app.handler
    async def send(to: str, box: Mailbox = mailbox) -> int:
        box.sent.append(to)
        return len(box.sent)

    async with app.worker():
        assert await (await send.enqueue("a@example.org")).result(timeout=10) == 1
        assert await (await send.enqueue("b@example.org")).result(timeout=10) == 2
        assert mailboxes[-1].open
    assert not mailboxes[-1].open


async def test_8_once_is_enough(app: Nexq) -> None:
    @app.handler
    async def refresh(user: int) -> None: ...

    # As long as a job with this key has not ended, another enqueue gets that very job.
    first = await refresh.options(unique="user-42").enqueue(42)
    second = await refresh.options(unique="user-42").enqueue(42)
    assert (second.id, second.duplicate) == (first.id, True)

    # An id of one's own makes an enqueue safe to repeat for good.
    await refresh.options(id="order-1001-paid").enqueue(7)
    assert (await refresh.options(id="order-1001-paid").enqueue(7)).duplicate


async def test_9_a_job_can_be_stopped(app: Nexq) -> None:
    started = asyncio.Event()

    @app.handler
    async def long() -> None:
        started.set()
        await asyncio.sleep(3600)

    async with app.worker(concurrency=1):
        running, waiting = await long.enqueue(), await long.enqueue()
        await started.wait()
        assert await waiting.cancel() is JobState.CANCELLED
        await running.cancel()  # its worker is told
        with pytest.raises(JobCancelled):
            await running.result(timeout=10)


async def test_10_many_at_once(app: Nexq) -> None:
    @app.handler
    async def square(n: int) -> int:
        return n * n

    # A few hundred a round trip.
    jobs = await app.enqueue_many(square.bind(n) for n in range(1000))
    async with app.worker():
        assert sum(await asyncio.gather(*(job.result(timeout=30) for job in jobs))) == 332_833_500


def test_11_without_async() -> None:
    app = Nexq("memory://tour")

    @app.handler
    def add(a: int, b: int) -> int:
        return a + b

    job = add.sync.enqueue(2, b=3)
    assert job.state() is JobState.READY

    async def work_for_a_while() -> None:
        async with app, app.worker():
            assert await app.job(job.id).result(timeout=10) == 5

    asyncio.run(work_for_a_while())
    assert job.result(timeout=10) == 5
    app.sync.close()
