"""Watch: who waits for a job hears of its end, however it ends."""

from __future__ import annotations

import asyncio

import pytest

from nexq.errors import JobNotFound
from nexq.states import JobState
from tests.contract.bench import LEASE, Bench


@pytest.mark.parametrize("end", ["complete", "bury", "cancel outcome", "cancel waiting", "lost"])
async def test_every_way_to_end_is_told(store: Bench, end: str) -> None:
    await store.add("a", max_lost=0)
    await store.add("b")
    assert await store.moves.watch("mail", "a", "me") is JobState.READY
    if end == "cancel waiting":
        await store.moves.cancel("mail", "a")
    else:
        claims = await store.claim()
        if end == "complete":
            await store.complete(*claims)
        elif end == "lost":
            store.at(LEASE)
            await store.moves.tidy("mail")
        else:
            await store.settle("bury" if end == "bury" else "cancel", *claims)
    assert await store.take("done:me") == ["a"]
    assert "waiters" not in await store.dump()


@pytest.mark.parametrize("state", ["completed", "dead", "cancelled"])
async def test_of_a_job_that_has_ended_the_state_is_told_at_once_and_nothing_noted(store: Bench, state: str) -> None:
    await store.to_state("a", state)
    before = await store.dump()
    assert await store.moves.watch("mail", "a", "me") is JobState(state)
    assert await store.dump() == before


@pytest.mark.parametrize("state", ["ready", "scheduled", "retrying", "running"])
async def test_of_a_live_job_the_state_is_told_and_the_wish_noted(store: Bench, state: str) -> None:
    await store.to_state("a", state)
    assert await store.moves.watch("mail", "a", "me") is JobState(state)
    assert (await store.dump())["waiters"] == {"a": b"me"}


async def test_a_retry_is_not_an_end(store: Bench) -> None:
    await store.add("a")
    await store.moves.watch("mail", "a", "me")
    await store.settle("retry", *await store.claim(), delay_ms=10)
    assert await store.take("done:me") == []


async def test_all_who_wait_are_told_each_once(store: Bench) -> None:
    await store.add("a")
    for waiter in ("one", "two", "one"):
        await store.moves.watch("mail", "a", waiter)
    await store.complete(*await store.claim())
    assert [await store.take(f"done:{w}") for w in ("one", "two")] == [["a"], ["a"]]


async def test_a_name_within_another_name_is_another_waiter(store: Bench) -> None:
    await store.add("a")
    for waiter in ("w10", "w1", "0"):
        await store.moves.watch("mail", "a", waiter)
    assert (await store.dump())["waiters"] == {"a": b"w10 w1 0"}


async def test_one_list_tells_of_many_jobs_in_the_order_of_their_end(store: Bench) -> None:
    await store.add(*"abc")
    for id in "abc":
        await store.moves.watch("mail", id, "me")
    a, b, c = await store.claim(3)
    await store.settle("bury", c)
    await store.complete(a, b)
    assert await store.take("done:me") == ["c", "a", "b"]


async def test_a_waiter_blocked_on_its_list_is_woken(store: Bench) -> None:
    await store.add("a")
    await store.moves.watch("mail", "a", "me")
    waiting = asyncio.create_task(store.take_one("done:me", 10))
    await asyncio.sleep(0)
    await store.complete(*await store.claim())
    assert await waiting == "a"


async def test_a_job_that_is_not_there_is_not_found(store: Bench) -> None:
    with pytest.raises(JobNotFound):
        await store.moves.watch("mail", "ghost", "me")
    assert await store.dump() == {}


async def test_a_revived_job_may_be_watched_again(store: Bench) -> None:
    await store.to_state("a", "dead")
    await store.moves.revive("mail", "a")
    await store.moves.watch("mail", "a", "me")
    await store.complete(*await store.claim())
    assert await store.take("done:me") == ["a"]
