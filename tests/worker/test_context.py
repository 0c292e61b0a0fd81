"""What a handler may know of its run."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from nexq import CONTEXT, Context, JobState, Nexq, Retry
from tests.worker.work import SOON_S, ended, working


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
