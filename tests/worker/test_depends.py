"""Dependencies: made when they are asked for, once, and cleaned up whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any

import pytest

from nexq import Context, Depends, JobState, Nexq, Retry
from tests.worker.work import SOON_S, ended, working

ONCE = Retry(max_attempts=1)
log: list[str] = []


@pytest.fixture(autouse=True)
def _empty_log() -> None:
    log.clear()


def plain() -> str:
    return "plain"


async def coroutine() -> str:
    return "coroutine"


def generator() -> Iterator[str]:
    log.append("+generator")
    yield "generator"
    log.append("-generator")


async def async_generator() -> AsyncIterator[str]:
    log.append("+async")
    try:
        yield "async"
    except ValueError as error:
        log.append(f"saw {error}")
        raise
    finally:
        log.append("-async")


@contextmanager
def manager() -> Iterator[str]:
    log.append("+manager")
    yield "manager"
    log.append("-manager")


@asynccontextmanager
async def async_manager() -> AsyncIterator[str]:
    log.append("+async manager")
    yield "async manager"
    log.append("-async manager")


A = Depends(plain)
B = Depends(coroutine)
C = Depends(generator)
D = Depends(async_generator)
E = Depends(manager)
F = Depends(async_manager)


async def test_every_kind_of_dependency(memory_app: Nexq) -> None:
    @memory_app.handler
    async def gather(x: int, a: str = A, b: str = B, c: str = C, d: str = D, e: str = E, f: str = F) -> list[Any]:
        log.append("run")
        return [x, a, b, c, d, e, f]

    async with working(memory_app):
        given = await (await gather.enqueue(1)).result(SOON_S)
    assert given == [1, "plain", "coroutine", "generator", "async", "manager", "async manager"]
    made = ["+generator", "+async", "+manager", "+async manager"]
    # The first made is the last cleaned up. What follows a bare yield is not run for a generator closed by an error.
    assert log == [*made, "run", *(m.replace("+", "-") for m in reversed(made))]


async def test_cleaning_up_after_a_failure(memory_app: Nexq) -> None:
    @memory_app.handler(retry=ONCE)
    async def fail(d: str = D) -> None:
        raise ValueError("it")

    async with working(memory_app):
        assert (await ended(await fail.enqueue())).last_error == "ValueError: it"
    assert log == ["+async", "saw it", "-async"]


def swallow() -> Iterator[int]:
    with manager():
        try:
            yield 1
        except ValueError:
            log.append("swallowed")


S = Depends(swallow)


async def test_a_dependency_that_swallows_a_failure_does_not_complete_the_job(memory_app: Nexq) -> None:
    @memory_app.handler(retry=ONCE)
    async def fail(s: int = S) -> None:
        raise ValueError("it")

    async with working(memory_app):
        record = await ended(await fail.enqueue())
    assert (record.state, record.last_error) == (JobState.DEAD, "ValueError: it")
    assert log == ["+manager", "swallowed", "-manager"]


async def test_a_dependency_that_fails_fails_the_job(memory_app: Nexq) -> None:
    def broken() -> int:
        raise LookupError("no such thing")

    def broken_later() -> Iterator[int]:
        yield 1
        raise LookupError("cannot be closed")

    never, late = Depends(broken), Depends(broken_later)

    @memory_app.handler(retry=ONCE)
    async def first(d: str = D, n: int = never) -> None:
        log.append("run")

    @memory_app.handler(retry=ONCE)
    async def second(n: int = late) -> None:
        log.append("run second")

    async with working(memory_app):
        assert (await ended(await first.enqueue())).last_error == "LookupError: no such thing"
        assert (await ended(await second.enqueue())).last_error == "LookupError: cannot be closed"
    assert log == ["+async", "-async", "run second"]


async def base(ctx: Context) -> str:
    log.append(f"base of {ctx.job.type}")
    return ctx.job.id


BASE = Depends(base)


def left(b: str = BASE) -> str:
    return "l" + b


def right(b: Annotated[str, BASE]) -> str:
    return "r" + b


LEFT, RIGHT = Depends(left), Depends(right)


async def test_nested_ones_are_made_once_for_a_job(memory_app: Nexq) -> None:
    @memory_app.handler
    def both(a: str = LEFT, b: str = RIGHT, c: str = BASE) -> list[str]:
        return [a, b, c]

    async with working(memory_app):
        for _ in "12":
            job = await both.enqueue()
            assert await job.result(SOON_S) == ["l" + job.id, "r" + job.id, job.id]
    assert log == ["base of both"] * 2


async def test_the_workers_own_are_made_once_and_cleaned_up_at_its_end(memory_app: Nexq) -> None:
    async def pool() -> AsyncIterator[list[str]]:
        log.append("+pool")
        await asyncio.sleep(0.01)
        yield []
        log.append("-pool")

    pool_wish = Depends(pool, scope="worker")

    def client(p: list[str] = pool_wish) -> Iterator[list[str]]:
        log.append("+client")
        yield p
        log.append("-client")

    client_wish = Depends(client, scope="worker")

    @memory_app.handler
    async def use(n: int, c: list[str] = client_wish, p: list[str] = pool_wish) -> int:
        assert c is p
        c.append(str(n))
        return len(c)

    async with working(memory_app):
        jobs = [await use.enqueue(n) for n in range(5)]
        assert sorted([await j.result(SOON_S) for j in jobs]) == [1, 2, 3, 4, 5]
        assert log == ["+pool", "+client"]
    assert log == ["+pool", "+client", "-client", "-pool"]


async def test_the_workers_own_cannot_ask_for_a_job(memory_app: Nexq) -> None:
    def of_job(ctx: Context) -> str:
        return ctx.job.id

    nested = Depends(of_job)

    def around(id: str = nested) -> str:
        return id

    wish = Depends(around, scope="worker")

    @memory_app.handler(retry=ONCE)
    async def use(id: str = wish) -> str:
        return id

    async with working(memory_app):
        assert "cannot ask for a job's Context" in (await ended(await use.enqueue())).last_error


async def test_a_worker_ends_though_its_dependency_cannot_be_closed(
    memory_app: Nexq, caplog: pytest.LogCaptureFixture
) -> None:
    def pool() -> Iterator[int]:
        yield 1
        raise OSError("stuck")

    wish = Depends(pool, scope="worker")

    @memory_app.handler
    async def use(n: int = wish) -> int:
        return n

    async with working(memory_app):
        assert await (await use.enqueue()).result(SOON_S) == 1
    assert "could not be cleaned up" in caplog.text
