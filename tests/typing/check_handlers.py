"""Read by mypy and pyright, never run: what type checkers know of handlers and their jobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

from nexq import CONTEXT, Bury, Context, Depends, Job, Nexq, Retry, Snooze
from nexq.app import Bound, Configured, Handler, SyncJob
from nexq.job import JobRecord
from nexq.states import JobState

app = Nexq()


@app.handler("add", queue="sums", priority="high", timeout=timedelta(seconds=5), retry=Retry(max_attempts=3))
async def add(a: int, b: int = 1) -> int:
    return a + b


@app.handler
async def bare(name: str) -> str:
    return name


@app.handler()
def in_thread(name: str) -> list[str]:
    return [name]


@app.handler(mode="process")
def in_process(n: int) -> float:
    return n / 2


@app.handler()
async def with_context(ctx: Context, a: int) -> int:
    return a


@app.handler()
def with_context_in_thread(ctx: Context, a: int) -> int:
    return a


@app.handler()
async def with_default_context(a: int, ctx: Context = CONTEXT) -> int:
    return a


@app.handler()
async def may_snooze(a: int) -> int | Snooze | Bury:
    return a if a else Snooze(5)


assert_type(in_thread.sync.enqueue("x"), SyncJob[list[str]])


async def calls() -> None:
    # The arguments of the function, the job of its result.
    job = await add.enqueue(1, b=2)
    assert_type(job, Job[int])
    assert_type(await job.result(), int)
    assert_type(await job.result(timeout=5), int)
    assert_type(await job.result(timeout=timedelta(seconds=5)), int)
    assert_type(await job.state(), JobState)
    assert_type(await job.refresh(), JobRecord)
    assert_type(await job.cancel(), JobState)
    assert_type(job.id, str)
    assert_type(await (await bare.enqueue("x")).result(), str)
    assert_type(await (await in_thread.enqueue("x")).result(), list[str])
    assert_type(await (await in_process.enqueue(3)).result(), float)
    assert_type(await (await may_snooze.enqueue(3)).result(), int | Snooze | Bury)

    # The context is not the caller's business.
    assert_type(await with_context.enqueue(1), Job[int])
    assert_type(await with_context_in_thread.enqueue(a=1), Job[int])
    assert_type(await with_default_context.enqueue(1), Job[int])

    # Options keep the signature.
    later = add.options(delay=60, priority="low", unique="k", max_attempts=2, timeout=timedelta(minutes=1))
    assert_type(await later.enqueue(1), Job[int])
    assert_type(await add.options(run_at=datetime.now(UTC), id="mine", queue="q", priority=9).enqueue(1), Job[int])

    # Many at once.
    assert_type(add.bind(1), Bound[int])
    assert_type(await app.enqueue_many(add.bind(n) for n in range(3)), list[Job[int]])
    assert_type(await app.enqueue_many([bare.options(delay=1).bind("x")]), list[Job[str]])

    # By name nothing is known.
    assert_type(await app.enqueue("add", {"a": 1}), Job[Any])
    assert_type(app.job("id"), Job[Any])


def calls_without_async() -> None:
    job = add.sync.enqueue(1)
    assert_type(job, SyncJob[int])
    assert_type(job.result(timeout=1), int)
    assert_type(job.state(), JobState)
    assert_type(add.options(delay=1).sync.enqueue(1), SyncJob[int])
    assert_type(app.sync.enqueue_many([add.bind(1)]), list[SyncJob[int]])
    assert_type(app.sync.enqueue("add", {"a": 1}), SyncJob[Any])


def takes_any_handler(handler: Handler[[int, str], bytes]) -> Configured[[int, str], bytes]:
    return handler.options(delay=1)


# Dependencies: the parameter has the type of what is given.


class Client:
    """Something to depend on."""


def make() -> Client:
    return Client()


async def make_later() -> Client:
    return Client()


def lend() -> Iterator[Client]:
    yield Client()


async def lend_later() -> AsyncIterator[Client]:
    yield Client()


@contextmanager
def managed() -> Iterator[Client]:
    yield Client()


assert_type(Depends(make), Client)
assert_type(Depends(make_later), Client)
assert_type(Depends(lend), Client)
assert_type(Depends(lend_later, scope="worker"), Client)
assert_type(Depends(managed), Client)


@app.handler()
async def depending(a: int, client: Client = Depends(make_later)) -> int:  # noqa: B008
    return a


async def depending_call() -> None:
    assert_type(await depending.enqueue(1), Job[int])
