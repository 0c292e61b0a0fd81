"""Promotion: a job that is due becomes ready, never before, by whichever call comes first."""

from __future__ import annotations

import pytest

from tests.contract.bench import T0, Bench, ids


async def _later(store: Bench, state: str, delay: str = "1000") -> None:
    if state == "scheduled":
        await store.add("a", delay=delay)
    else:
        await store.add("a")
        await store.settle("retry", *await store.claim(), delay_ms=delay)


@pytest.mark.parametrize("state", ["scheduled", "retrying"])
async def test_a_job_is_not_promoted_before_its_time(store: Bench, state: str) -> None:
    await _later(store, state)
    store.at(999.999)
    assert await store.claim(5) == []
    assert await store.moves.tidy("mail") == (0, 0, 0)
    assert await store.states() == {state: {"a": T0 + 1000}}


@pytest.mark.parametrize("state", ["scheduled", "retrying"])
async def test_an_exchange_promotes_what_is_due_and_claims_it(store: Bench, state: str) -> None:
    await _later(store, state)
    store.at(1000)
    assert ids(await store.claim(5)) == ["a"]


@pytest.mark.parametrize("state", ["scheduled", "retrying"])
async def test_an_exchange_that_claims_nothing_promotes_too(store: Bench, state: str) -> None:
    await _later(store, state)
    store.at(1500)
    await store.exchange()
    assert await store.states() == {"ready:5": {"a": T0 + 1500}}


@pytest.mark.parametrize("state", ["scheduled", "retrying"])
async def test_tidy_promotes_for_a_queue_that_nobody_serves_and_wakes_a_worker(store: Bench, state: str) -> None:
    await _later(store, state)
    await store.take("wake")
    store.at(1000)
    assert await store.moves.tidy("mail") == (1, 0, 0)
    dump = await store.dump()
    assert dump["ready:5"] == {"a": T0 + 1000}
    assert dump["wake"] is True


async def test_due_jobs_become_ready_in_the_order_of_their_due_times(store: Bench) -> None:
    for id, delay in [("c", "30"), ("a", "10"), ("b", "20")]:
        await store.add(id, delay=delay)
    store.at(100)
    assert ids(await store.claim(3)) == ["a", "b", "c"]


async def test_each_promoted_job_goes_to_its_own_priority(store: Bench) -> None:
    for id, priority in [("low", 1), ("high", 9), ("mid", 5)]:
        await store.add(id, priority=priority, delay="10")
    store.at(10)
    assert ids(await store.claim(3)) == ["high", "mid", "low"]


async def test_a_call_promotes_at_most_its_slice_of_each_set(store: Bench) -> None:
    await store.add(*(f"s{i}" for i in range(5)), delay="10")
    await store.add(*(f"r{i}" for i in range(5)))
    await store.settle("retry", *await store.claim(5), delay_ms=10)
    store.at(10)
    await store.exchange(slice=2)
    states = await store.states()
    assert (len(states["scheduled"]), len(states["retrying"]), len(states["ready:5"])) == (3, 3, 4)
    assert await store.moves.tidy("mail", slice=2) == (4, 0, 0)
    assert await store.moves.tidy("mail", slice=2) == (2, 0, 0)


async def test_a_promoted_job_stands_behind_those_that_were_ready_before(store: Bench) -> None:
    await store.add("a", delay="10")
    store.at(9)
    await store.add("b")
    store.at(10)
    assert ids(await store.claim(2)) == ["b", "a"]


async def test_a_paused_queue_promotes_too(store: Bench) -> None:
    await store.add("a", delay="10")
    await store.moves.pause("mail", b"{}")
    store.at(10)
    assert await store.claim() == []
    assert await store.where("a") == ["ready:5"]


async def test_an_id_without_a_job_behind_it_is_dropped(store: Bench) -> None:
    await store.add("a", delay="10")
    await store.plant("scheduled", "ghost", T0 + 5)
    store.at(10)
    assert ids(await store.claim(2)) == ["a"]
    assert await store.where("ghost") == []
