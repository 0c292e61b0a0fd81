"""Purge: the jobs of one state are dropped, a slice in a call, the oldest first."""

from __future__ import annotations

import pytest

from nexq.states import JobState
from nexq.store import Refused
from tests.contract.bench import T0, Bench

STATES = ["ready", "scheduled", "retrying", "completed", "dead", "cancelled"]


@pytest.mark.parametrize("state", STATES)
async def test_the_jobs_of_that_state_are_dropped_and_no_others(store: Bench, state: str) -> None:
    for other in STATES:
        await store.to_state(f"job-{other}", other, unique=f"k-{other}", result=b"1")
    before = await store.dump()
    store.at(1)
    assert await store.moves.purge("mail", JobState(state)) == 1
    after = await store.dump()
    id, key = f"job-{state}", f"k-{state}"
    for name in ("jobs", "runs", "results", "history"):
        assert after.get(name, {}) == {k: v for k, v in before.get(name, {}).items() if k != id}
    assert after.get("unique", {}) == {k: v for k, v in before["unique"].items() if k != key}
    assert after["tombs"] == {id: T0 + 1}
    assert await store.where(id) == []
    assert (await store.views.queue("mail")).totals["deleted"] == 1


async def test_a_call_drops_at_most_its_limit_the_oldest_first(store: Bench) -> None:
    for i in range(5):
        store.at(i)
        await store.add(f"j{i}")
    assert await store.moves.purge("mail", JobState.READY, 2) == 2
    assert list((await store.states())["ready:5"]) == ["j2", "j3", "j4"]
    assert await store.moves.purge("mail", JobState.READY, 4) == 3
    assert await store.moves.purge("mail", JobState.READY, 4) == 0


async def test_ready_jobs_of_every_priority_are_dropped(store: Bench) -> None:
    for p in range(10):
        await store.add(f"j{p}", priority=p)
    assert await store.moves.purge("mail", JobState.READY, 7) == 7
    assert await store.moves.purge("mail", JobState.READY, 7) == 3
    assert await store.states() == {}


async def test_a_limit_that_ends_at_a_priority_is_kept(store: Bench) -> None:
    await store.add("a", "b", priority=1)
    await store.add("c", "d", priority=2)
    assert await store.moves.purge("mail", JobState.READY, 2) == 2
    assert await store.states() == {"ready:2": {"c": T0 + 0.001 + 0.001, "d": T0 + 0.001 + 0.001 + 0.001}}


async def test_a_thousand_jobs_are_dropped_in_one_call(store: Bench) -> None:
    await store.add(*(f"j{i}" for i in range(1000)))
    assert await store.moves.purge("mail", JobState.READY, 1000) == 1000
    assert len((await store.dump())["tombs"]) == 1000


async def test_a_late_repeat_of_the_enqueue_does_not_bring_a_purged_job_back(store: Bench) -> None:
    await store.add("a")
    await store.moves.purge("mail", JobState.READY)
    assert await store.add("a") == [Refused(0, "DUPLICATE", "a")]


async def test_who_waits_for_a_purged_job_is_told(store: Bench) -> None:
    await store.add("a", "b")
    await store.moves.watch("mail", "b", "me")
    await store.moves.purge("mail", JobState.READY)
    assert await store.take("done:me") == ["b"]
