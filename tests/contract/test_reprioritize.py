"""Reprioritize: a job that has not ended gets another priority."""

from __future__ import annotations

import pytest

from nexq.errors import JobNotFound
from nexq.states import JobState
from tests.contract.bench import LEASE, T0, Bench, ids


async def test_a_ready_job_moves_to_the_end_of_its_new_priority(store: Bench) -> None:
    await store.add("a", "b", priority=5)
    await store.add("c", priority=9)
    store.at(10)
    assert await store.moves.reprioritize("mail", "a", 9) == (True, JobState.READY)
    assert await store.states() == {"ready:9": {"c": T0 + 0.001 + 0.001, "a": T0 + 10}, "ready:5": {"b": T0 + 0.001}}
    assert ids(await store.claim(3)) == ["c", "a", "b"]


@pytest.mark.parametrize("state", ["scheduled", "retrying", "running"])
async def test_a_job_elsewhere_stays_there_and_becomes_ready_at_its_new_priority(store: Bench, state: str) -> None:
    await store.to_state("a", state)
    before = await store.states()
    assert await store.moves.reprioritize("mail", "a", 9) == (True, JobState(state))
    assert await store.states() == before
    assert (await store.views.get("mail", "a")).spec.priority == 9
    store.at(10 * LEASE)
    await store.moves.tidy("mail")
    assert await store.where("a") == ["ready:9"]


@pytest.mark.parametrize("state", ["completed", "dead", "cancelled"])
async def test_an_ended_job_is_left_alone(store: Bench, state: str) -> None:
    await store.to_state("a", state)
    before = await store.dump()
    assert await store.moves.reprioritize("mail", "a", 9) == (False, JobState(state))
    assert await store.dump() == before


async def test_its_own_priority_changes_nothing_not_even_its_place(store: Bench) -> None:
    await store.add("a", "b")
    before = await store.dump()
    store.at(10)
    assert await store.moves.reprioritize("mail", "a", 5) == (True, JobState.READY)
    assert await store.dump() == before


async def test_everything_else_about_the_job_stays(store: Bench) -> None:
    await store.add("a", payload=b"\x00\n[1]", unique="k", options={"timeout_s": 2}, max_lost=7)
    before = (await store.views.get("mail", "a")).spec
    await store.moves.reprioritize("mail", "a", 0)
    after = (await store.views.get("mail", "a")).spec
    assert (after.priority, after.payload, after.options, after.unique) == (0, before.payload, before.options, "k")
    assert (after.max_lost, after.enqueued_ms, after.type) == (7, before.enqueued_ms, "t")


async def test_a_job_that_is_not_there_is_not_found(store: Bench) -> None:
    with pytest.raises(JobNotFound):
        await store.moves.reprioritize("mail", "ghost", 1)
    assert await store.dump() == {}
