"""Run now: a job that is due later is made ready by hand."""

from __future__ import annotations

import pytest

from nexq.errors import JobNotFound
from nexq.states import JobState
from tests.contract.bench import T0, Bench, ids


@pytest.mark.parametrize("state", ["scheduled", "retrying"])
async def test_a_job_that_is_due_later_is_ready_now(store: Bench, state: str) -> None:
    await store.add("a", priority=8, delay="5000" if state == "scheduled" else "")
    if state == "retrying":
        await store.settle("retry", *await store.claim(), delay_ms=5000)
    store.at(10)
    assert await store.moves.run_now("mail", "a") == (True, JobState.READY)
    assert await store.states() == {"ready:8": {"a": T0 + 10}}


async def test_it_stands_behind_those_that_wait_and_before_those_that_come(store: Bench) -> None:
    await store.add("a", delay="5000")
    await store.add("b")
    await store.moves.run_now("mail", "a")
    await store.add("c")
    assert ids(await store.claim(3)) == ["b", "a", "c"]


async def test_attempts_made_so_far_still_count(store: Bench) -> None:
    await store.add("a")
    await store.settle("retry", *await store.claim(), delay_ms=5000)
    await store.moves.run_now("mail", "a")
    (claim,) = await store.claim()
    assert claim.counts == b"2 2 0"


async def test_a_ready_job_stays_where_it_is(store: Bench) -> None:
    await store.add("a", "b")
    before = await store.dump()
    store.at(10)
    assert await store.moves.run_now("mail", "a") == (True, JobState.READY)
    assert await store.dump() == before


@pytest.mark.parametrize("state", ["running", "completed", "dead", "cancelled"])
async def test_a_job_that_is_not_due_later_is_left_alone(store: Bench, state: str) -> None:
    await store.to_state("a", state)
    before = await store.dump()
    assert await store.moves.run_now("mail", "a") == (False, JobState(state))
    assert await store.dump() == before


async def test_a_job_that_is_not_there_is_not_found(store: Bench) -> None:
    with pytest.raises(JobNotFound):
        await store.moves.run_now("mail", "ghost")
    assert await store.dump() == {}
