"""What becomes of a run: results, retries, and what a handler may return instead."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import BaseModel

from nexq import Bury, Cancel, JobFailed, JobState, Nexq, Retry, Snooze
from nexq.worker import executor
from tests.worker.work import SOON_S, ended, in_state, working


class Mail(BaseModel):
    to: str
    at: datetime
    tags: list[str] = []


async def test_async_and_thread_handlers_give_their_results(app: Nexq) -> None:
    @app.handler
    async def on_loop(a: int, b: int = 2) -> list[int]:
        return [a, b]

    @app.handler()
    def in_thread(a: int) -> str:
        return f"{a} {threading.current_thread() is threading.main_thread()}"

    @app.handler
    async def nothing() -> None: ...

    async with working(app):
        assert await (await on_loop.enqueue(1)).result(SOON_S) == [1, 2]
        assert await (await on_loop.enqueue(1, b=5)).result(SOON_S) == [1, 5]
        assert await (await in_thread.enqueue(3)).result(SOON_S) == "3 False"
        job = await nothing.enqueue()
        assert await job.result(SOON_S) is None  # type: ignore[func-returns-value]
        assert (await job.refresh()).result is None


async def test_arguments_and_results_are_typed(app: Nexq) -> None:
    @app.handler
    async def reply(mail: Mail, after: timedelta, id: UUID, sum: Decimal) -> Mail:
        assert (type(after), type(id), type(sum)) == (timedelta, UUID, Decimal)
        return Mail(to=mail.to, at=mail.at + after, tags=[*mail.tags, str(id), str(sum)])

    at = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    async with working(app):
        job = await reply.enqueue(Mail(to="a@b.c", at=at, tags=["x"]), timedelta(hours=1), UUID(int=5), Decimal("1.10"))
        answer = await job.result(SOON_S)
    assert answer == Mail(to="a@b.c", at=at + timedelta(hours=1), tags=["x", str(UUID(int=5)), "1.10"])


async def test_payloads_that_are_no_object_become_the_first_argument(app: Nexq) -> None:
    @app.handler
    async def double(n: int) -> int:
        return 2 * n

    @app.handler
    async def count(words: list[str]) -> int:
        return len(words)

    async with working(app):
        assert await (await app.enqueue("double", 21)).result(SOON_S) == 42
        assert await (await app.enqueue("double", {"n": 2**70})).result(SOON_S) == 2**71
        assert await (await app.enqueue("count", ["a", "b"])).result(SOON_S) == 2


async def test_integers_of_any_size_as_the_whole_payload(memory_app: Nexq) -> None:
    @memory_app.handler
    async def double(n: int) -> int:
        return 2 * n

    async with working(memory_app):
        assert await (await memory_app.enqueue("double", 2**70)).result(SOON_S) == 2**71


async def test_a_failure_is_tried_again_until_it_is_dead(app: Nexq) -> None:
    times: list[float] = []

    @app.handler(retry=Retry(max_attempts=3, base=0.1, factor=2.0, jitter=False))
    async def fail() -> None:
        times.append(asyncio.get_running_loop().time())
        raise ValueError("no luck")

    async with working(app):
        job = await fail.enqueue()
        with pytest.raises(JobFailed, match="ValueError: no luck") as caught:
            await job.result(SOON_S)
    assert "raise ValueError" in caught.value.traceback
    record = await job.refresh()
    assert [a.outcome for a in record.attempts] == ["retry", "retry", "bury"]
    assert [a.attempt for a in record.attempts] == [1, 2, 3]
    first, second = times[1] - times[0], times[2] - times[1]
    assert first > 0.09
    assert second > 0.19


async def test_on_and_except_decide_what_is_tried_again(app: Nexq) -> None:
    errors = {"key": KeyError("k"), "index": IndexError("i"), "type": TypeError("t"), "time": TimeoutError("own")}

    @app.handler(retry=Retry(max_attempts=2, base=0.001, on=(LookupError, TypeError), except_=(IndexError,)))
    async def fail(kind: str) -> None:
        raise errors[kind]

    async with working(app):
        records = {kind: await ended(await fail.enqueue(kind)) for kind in errors}
    assert {kind: r.run.attempt for kind, r in records.items()} == {"key": 2, "index": 1, "type": 2, "time": 1}


async def test_a_job_may_have_its_own_number_of_attempts(app: Nexq) -> None:
    @app.handler(retry=Retry(max_attempts=5, base=0.001))
    async def fail() -> None:
        raise ValueError

    async with working(app):
        assert (await ended(await fail.options(max_attempts=1).enqueue())).run.attempt == 1
        assert (await ended(await fail.options(max_attempts=6).enqueue())).run.attempt == 6


async def test_a_snooze_is_no_attempt(app: Nexq) -> None:
    runs: list[int] = []

    @app.handler(retry=Retry(max_attempts=1))
    async def wait(n: int) -> int | Snooze:
        runs.append(n)
        # A timedelta is as good as a number; what is negative means now.
        delays = [0.01, timedelta(milliseconds=10), -1.0]
        return Snooze(delays[len(runs) - 1]) if len(runs) <= 3 else len(runs)  # type: ignore[arg-type]

    async with working(app):
        job = await wait.enqueue(1)
        assert await job.result(SOON_S) == 4
    record = await job.refresh()
    assert (record.run.attempt, record.run.delivery) == (1, 4)


@pytest.mark.parametrize("delay", [float("inf"), float("nan"), 1e300])
async def test_a_snooze_without_end_is_a_failure(memory_app: Nexq, delay: float) -> None:
    @memory_app.handler(retry=Retry(max_attempts=1))
    async def wait() -> Snooze:
        return Snooze(delay)

    async with working(memory_app):
        record = await ended(await wait.enqueue())
    assert (record.state, record.last_error[:10]) == (JobState.DEAD, "InvalidJob")


async def test_a_handler_ends_its_own_job(app: Nexq) -> None:
    @app.handler
    async def choose(how: str) -> Bury | Cancel:
        return Bury("broken for good") if how == "bury" else Cancel("not needed")

    async with working(app):
        buried = await ended(await choose.enqueue("bury"))
        cancelled = await ended(await choose.enqueue("cancel"))
    assert (buried.state, buried.last_error) == (JobState.DEAD, "Bury: broken for good")
    assert (cancelled.state, cancelled.last_error) == (JobState.CANCELLED, "Cancel: not needed")


@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_a_timeout_is_a_failure_that_may_be_tried_again(app: Nexq, mode: str) -> None:
    release = threading.Event()

    async def sleep() -> None:
        await asyncio.sleep(60)

    def block() -> None:
        release.wait(60)

    handler = app.handler("slow", timeout=0.05, retry=Retry(max_attempts=2, base=0.001))(
        sleep if mode == "async" else block
    )

    @app.handler("quick")
    def quick() -> int:
        return 1

    try:
        async with working(app, concurrency=1):
            record = await ended(await handler.enqueue())
            # Threads that hang do not keep others from running.
            assert await (await quick.enqueue()).result(SOON_S) == 1
    finally:
        release.set()
    assert (record.state, record.run.attempt) == (JobState.DEAD, 2)
    assert record.last_error == "TimedOut: no end within 0.05 s"


async def test_an_unknown_type_is_given_back_and_no_attempt(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "UNKNOWN_TYPE_DELAY_S", 0.05)
    job = await app.enqueue("later_deploy", {"a": 1})
    async with working(app):
        record = await in_state(job, JobState.SCHEDULED)
        assert record.run.attempt == 0
        assert "no handler for 'later_deploy'" in record.last_error

    @app.handler("later_deploy")
    async def known(a: int) -> int:
        return a

    async with working(app):
        assert await job.result(SOON_S) == 1
    assert (await job.refresh()).run.attempt == 1
