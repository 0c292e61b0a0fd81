"""What a handler may know of its run."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import Any

import pytest

from nexq import CONTEXT, Context, Job, JobState, Nexq, Retry
from nexq.job import Reported
from tests.support.waiting import until
from tests.worker import in_process
from tests.worker.work import SOON_S, ended, in_state, working


async def test_the_context_tells_of_job_and_run(app: Nexq) -> None:
    seen: list[Context] = []

    @app.handler("told", queue="mail", priority=7, retry=Retry(max_attempts=2, base=0.001))
    async def told(ctx: Context, word: str) -> None:
        seen.append(ctx)
        if not ctx.last_attempt:
            raise ValueError(word)

    async with working(app):
        before = time.time()
        job = await told.options(timeout=30).enqueue("again")
        await job.result(SOON_S)
    first, second = seen
    assert (first.job.id, first.job.type, first.job.queue, first.job.priority) == (job.id, "told", "mail", 7)
    assert abs(first.job.enqueued_ms / 1000 - before) < 5
    assert [(c.attempt, c.delivery, c.max_attempts, c.last_attempt) for c in seen] == [
        (1, 1, 2, False),
        (2, 2, 2, True),
    ]
    assert second.token > first.token > 0
    assert first.deadline is not None
    assert 25 < first.deadline - before < 35
    assert not first.cancelled


async def test_a_context_may_be_a_default(app: Nexq) -> None:
    @app.handler
    def plain(word: str, ctx: Context = CONTEXT) -> list[str | None]:
        return [word, ctx.job.id, None if ctx.deadline is None else "deadline"]

    async with working(app):
        job = await plain.enqueue("a")
        assert await job.result(SOON_S) == ["a", job.id, None]


async def test_the_token_rises_with_each_claim(app: Nexq) -> None:
    tokens: list[int] = []

    @app.handler
    async def note(ctx: Context) -> None:
        tokens.append(ctx.token)

    async with working(app, concurrency=1):
        for _ in range(5):
            await (await note.enqueue()).result(SOON_S)
    assert tokens == sorted(set(tokens))


async def test_log_records_name_the_job(app: Nexq, caplog: pytest.LogCaptureFixture) -> None:
    @app.handler("speak")
    async def speak(ctx: Context) -> None:
        ctx.log.warning("a word")

    async with working(app):
        job = await speak.enqueue()
        await job.result(SOON_S)
    (record,) = [r for r in caplog.records if r.message == "a word"]
    assert (record.name, record.levelno) == ("nexq.job", logging.WARNING)
    assert {k: vars(record)[k] for k in ("job_id", "job_type", "attempt")} == {
        "job_id": job.id,
        "job_type": "speak",
        "attempt": 1,
    }


async def test_a_stop_can_be_seen_by_an_async_handler_too(app: Nexq) -> None:
    seen: list[tuple[bool, bool]] = []
    began = asyncio.Event()

    @app.handler
    async def wait(ctx: Context) -> None:
        before = ctx.cancelled
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            seen.append((before, ctx.cancelled))

    async with working(app):
        job = await wait.enqueue()
        await began.wait()
        await job.cancel()
        assert (await ended(job)).state is JobState.CANCELLED
    assert seen == [(False, True)]


async def _reported(app: Nexq, job: Job[Any], lines: int) -> Reported:
    """What a job reported, once so many lines have come."""
    store = await app.store()

    async def come() -> bool:
        return (await store.views.journal(job.queue, job.id)).total >= lines

    await until(come, SOON_S, what=f"{lines} lines")
    return await store.views.journal(job.queue, job.id)


@pytest.mark.parametrize("mode", ["loop", "thread", "process"])
async def test_progress_and_log_lines_are_kept_beside_the_job(app: Nexq, mode: str) -> None:
    @app.handler("loop")
    async def in_loop(ctx: Context, word: str) -> None:
        in_process.recount.spec.fn(ctx, word)

    @app.handler("thread")
    def in_thread(ctx: Context, word: str) -> None:
        in_process.recount.spec.fn(ctx, word)

    app.registry.add(replace(in_process.recount.spec, name="process"))
    async with working(app):
        job = await app.enqueue(mode, {"word": "é"})
        assert await job.result(SOON_S) is None
        reported = await _reported(app, job, 3)
    assert reported.progress is not None
    assert (reported.progress["fraction"], reported.progress["text"]) == (1.0, "all done")
    assert [(line["n"], line["level"], line["text"].split("\n")[0], line["attempt"]) for line in reported.lines] == [
        (1, "info", "begin é", 1),
        (2, "warning", "half 50 %", 1),
        (3, "error", "broke", 1),
    ]
    assert "ZeroDivisionError" in reported.lines[2]["text"]


async def test_lines_of_every_attempt_are_kept(app: Nexq) -> None:
    @app.handler("twice", retry=Retry(max_attempts=2, base=0.001))
    async def twice(ctx: Context) -> None:
        ctx.log.info("attempt %d", ctx.attempt)
        if not ctx.last_attempt:
            raise ValueError

    async with working(app):
        job = await twice.enqueue()
        await job.result(SOON_S)
        reported = await _reported(app, job, 2)
    assert sorted((line["attempt"], line["text"]) for line in reported.lines) == [(1, "attempt 1"), (2, "attempt 2")]


async def test_the_log_is_not_kept_where_that_is_turned_off(app: Nexq) -> None:
    @app.handler("told")
    async def told(ctx: Context) -> None:
        ctx.log.error("not kept")
        ctx.progress(0.5)

    async with working(app, job_log=False):
        job = await told.enqueue()
        await job.result(SOON_S)
    reported = await (await app.store()).views.journal(job.queue, job.id)
    assert (reported.total, reported.lines) == (0, ())
    assert reported.progress is not None and reported.progress["fraction"] == 0.5


async def test_a_progress_that_is_no_number_is_an_error_of_the_handler(app: Nexq) -> None:
    @app.handler("odd", retry=Retry(max_attempts=1))
    async def odd(ctx: Context) -> None:
        ctx.progress(2.0, "is taken as 1")
        ctx.progress("half")  # type: ignore[arg-type]

    async with working(app):
        job = await odd.enqueue()
        record = await in_state(job, JobState.DEAD)
    assert "number from 0 to 1" in record.last_error


async def test_a_record_names_the_handlers_own_line(app: Nexq, caplog: pytest.LogCaptureFixture) -> None:
    @app.handler("logs")
    async def logs(ctx: Context) -> None:
        ctx.log.info("from here")

    with caplog.at_level(logging.INFO, logger="nexq.job"):
        async with working(app):
            await (await logs.enqueue()).result(SOON_S)
    (record,) = (r for r in caplog.records if r.getMessage() == "from here")
    assert record.filename == "test_context.py" and record.job_type == "logs"  # type: ignore[attr-defined]
