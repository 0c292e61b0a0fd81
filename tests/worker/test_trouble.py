"""Handlers that misbehave: each becomes an outcome, and the slot is free again."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from pydantic import BaseModel

from nexq import JobState, Nexq, Retry
from nexq.job import JobRecord
from tests.worker.work import ended, working

ONCE = Retry(max_attempts=1)


class Unspeakable(Exception):
    """Its text cannot be had."""

    def __str__(self) -> str:
        raise ValueError("no text")


class Base(BaseException):
    """Not an Exception."""


async def last_words(app: Nexq, handler: Any) -> JobRecord:
    """The record of the handler's only run; then a good job shows that the one slot is free again."""

    @app.handler("good")
    async def good() -> str:
        return "fine"

    async with working(app, concurrency=1):
        record = await ended(await handler.enqueue())
        assert await (await good.enqueue()).result(timeout=10) == "fine"
    return record


RAISES: dict[str, tuple[BaseException, str]] = {
    "sys.exit": (SystemExit(3), "SystemExit"),
    "interrupt": (KeyboardInterrupt(), "KeyboardInterrupt"),
    "base": (Base("below Exception"), "Base: below Exception"),
    "no text": (Unspeakable(), "Unspeakable"),
    "surrogate": (ValueError("bad \udcff text"), "ValueError: bad \\udcff text"),
    "long": (ValueError("x" * 100_000), "ValueError: xxx"),
    "cancelled": (asyncio.CancelledError(), "CancelledError"),
    "stop": (StopIteration("end"), "StopIteration"),
    "group": (ExceptionGroup("many", [ValueError("one")]), "ExceptionGroup: many"),
}


@pytest.mark.parametrize("mode", ["async", "thread"])
@pytest.mark.parametrize("case", RAISES)
async def test_whatever_is_raised_is_a_failure(memory_app: Nexq, case: str, mode: str) -> None:
    error, words = RAISES[case]

    async def fail() -> None:
        raise error

    def fail_in_thread() -> None:
        raise error

    handler = memory_app.handler("fail", retry=ONCE)(fail if mode == "async" else fail_in_thread)
    record = await last_words(memory_app, handler)
    assert record.state is JobState.DEAD
    assert words in record.last_error
    assert len(record.last_error) < 5000
    assert record.attempts[-1].error["traceback"]


async def test_endless_recursion_is_a_failure(memory_app: Nexq) -> None:
    @memory_app.handler(retry=ONCE)
    async def deep() -> None:
        def again(n: int) -> int:
            return again(n + 1) + 1

        again(0)

    record = await last_words(memory_app, deep)
    assert record.last_error.startswith("RecursionError")
    assert len(record.attempts[-1].error["traceback"]) <= 16_384


RESULTS: dict[str, Any] = {
    "set of objects": {object()},
    "nan": [1.0, float("nan")],
    "infinity": {"at": float("inf")},
    "module": sys,
    "endless": (endless := []),
    "huge": "x" * (4 << 20),
}
endless.append(endless)


@pytest.mark.parametrize("case", RESULTS)
async def test_a_result_that_cannot_be_kept_buries_the_job(memory_app: Nexq, case: str) -> None:
    @memory_app.handler
    async def give() -> Any:
        return RESULTS[case]

    record = await last_words(memory_app, give)
    assert record.state is JobState.DEAD
    assert "result" in record.last_error
    assert record.run.attempt == 1


class Measured(BaseModel):
    value: float


async def test_nan_inside_a_model_is_found_too(memory_app: Nexq) -> None:
    @memory_app.handler
    async def give() -> Measured:
        return Measured(value=float("nan"))

    record = await last_words(memory_app, give)
    assert record.state is JobState.DEAD


async def test_a_cancelled_inner_task_counts_as_a_failure(memory_app: Nexq) -> None:
    runs = 0

    @memory_app.handler(retry=Retry(max_attempts=3, base=0.001))
    async def inner() -> None:
        nonlocal runs
        runs += 1
        task = asyncio.create_task(asyncio.sleep(60))
        task.cancel()
        await task

    record = await last_words(memory_app, inner)
    assert record.state is JobState.DEAD
    assert runs == 3


async def test_damaged_spec_is_buried(memory_app: Nexq) -> None:
    """Whatever stands in the store: the worker goes on."""

    @memory_app.handler
    async def typed(n: int) -> int:
        return n

    async with working(memory_app, concurrency=1):
        job = await memory_app.enqueue("typed", {"n": 1}, queue="other")
        assert job.queue == "other"
        store = await memory_app.store()
        from nexq.store.moves import Entry

        await store.moves.enqueue("default", [Entry("odd", b"53typed\n{not json")])
        odd = memory_app.job("odd")
        record = await ended(odd)
        assert record.state is JobState.DEAD
        assert "payload" in record.last_error
        assert await (await typed.enqueue(3)).result(timeout=10) == 3
