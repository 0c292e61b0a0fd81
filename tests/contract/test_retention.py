"""Retention: ended jobs are kept by age and by number, live jobs always; a pruned id is remembered for a while."""

from __future__ import annotations

import pytest

from nexq.states import JobState
from nexq.store import Keep, Refused
from nexq.store.moves import TOMB_MS
from tests.contract.bench import LEASE, T0, Bench

KEEP = Keep(completed_s=100, completed_count=3, dead_s=1000, dead_count=2).pack()
KIND = {"completed": "complete", "cancelled": "cancel", "dead": "bury"}


async def _end(store: Bench, state: str, *ids: str) -> None:
    await store.add(*ids)
    claims = await store.claim(len(ids))
    if state == "completed":
        await store.complete(*claims, result=b"1")
    else:
        await store.settle(KIND[state], *claims)


@pytest.mark.parametrize(("state", "keep_ms"), [("completed", 100_000), ("cancelled", 100_000), ("dead", 1_000_000)])
async def test_an_ended_job_is_kept_for_its_time_then_nothing_is_left_of_it(
    store: Bench, state: str, keep_ms: int
) -> None:
    await _end(store, state, "a")
    store.at(keep_ms - 0.001)
    assert await store.moves.tidy("mail", KEEP) == (0, 0, 0)
    store.at(keep_ms)
    assert await store.moves.tidy("mail", KEEP) == (0, 0, 1)
    dump = await store.dump()
    assert set(dump) <= {"queue", "wake"}
    assert dump["queue"]["deleted_total"] == 1


@pytest.mark.parametrize(("state", "count"), [("completed", 3), ("cancelled", 3), ("dead", 2)])
async def test_no_more_ended_jobs_are_kept_than_the_rule_says_the_newest(store: Bench, state: str, count: int) -> None:
    for i in range(6):
        store.at(i)
        await _end(store, state, f"j{i}")
    assert await store.moves.tidy("mail", KEEP) == (0, 0, 6 - count)
    left = [f"j{i}" for i in range(6 - count, 6)]
    dump = await store.dump()
    assert list(dump[state]) == list(dump["jobs"]) == list(dump["runs"]) == left


async def test_results_and_history_go_with_their_jobs(store: Bench) -> None:
    await _end(store, "completed", "a")
    await _end(store, "dead", "b")
    store.at(1_000_000)
    await store.moves.tidy("mail", KEEP)
    dump = await store.dump()
    assert not {"results", "history", "runs", "jobs"} & set(dump)


@pytest.mark.parametrize("state", ["ready", "scheduled", "retrying", "running"])
async def test_a_live_job_is_never_pruned(store: Bench, state: str) -> None:
    await store.to_state("a", state)
    jobs = (await store.dump())["jobs"]
    store.at(10 * 365 * 86_400_000)
    await store.moves.tidy("mail", Keep(0, 0, 0, 0).pack())
    assert (await store.dump())["jobs"] == jobs


async def test_a_call_prunes_at_most_its_slice_of_each_state(store: Bench) -> None:
    await _end(store, "completed", *(f"c{i}" for i in range(10)))
    await _end(store, "dead", *(f"d{i}" for i in range(10)))
    assert await store.moves.tidy("mail", Keep(0, 0, 0, 0).pack(), slice=4) == (0, 0, 8)
    states = await store.states()
    assert (list(states["completed"]), list(states["dead"])) == (
        [f"c{i}" for i in range(4, 10)],
        [f"d{i}" for i in range(4, 10)],
    )


async def test_an_exchange_with_outcomes_prunes_on_the_way(store: Bench) -> None:
    await store.add("a")
    await store.complete(*await store.claim(), keep=Keep(0, 0, 0, 0).pack())
    assert await store.states() == {}


async def test_an_exchange_without_outcomes_prunes_only_when_told(store: Bench) -> None:
    keep = Keep(0, 0, 0, 0).pack()
    await _end(store, "completed", "a")
    await store.exchange(keep=keep)
    assert await store.where("a") == ["completed"]
    await store.exchange(keep=keep, tidy=True)
    assert await store.where("a") == []


async def test_the_default_rule_keeps_completed_jobs_a_day_and_dead_ones_half_a_year(store: Bench) -> None:
    day = 86_400_000
    await _end(store, "completed", "a")
    await _end(store, "dead", "b")
    for at, left in [(day - 1, {"completed", "dead"}), (day, {"dead"}), (180 * day - 1, {"dead"}), (180 * day, set())]:
        store.at(at)
        await store.moves.tidy("mail")
        assert set(await store.states()) == left


async def test_a_job_pruned_soon_after_its_end_leaves_a_tombstone_so_that_a_late_repeat_changes_nothing(
    store: Bench,
) -> None:
    await store.add("a")
    await store.complete(*await store.claim(), keep=Keep(0, 0, 0, 0).pack())
    assert (await store.dump())["tombs"] == {"a": T0}
    assert await store.add("a") == [Refused(0, "DUPLICATE", "a")]
    assert await store.states() == {}


async def test_every_young_job_pruned_leaves_a_tombstone_also_when_an_old_one_is_pruned_with_it(store: Bench) -> None:
    await _end(store, "completed", "old")
    store.at(2 * TOMB_MS)
    await _end(store, "completed", "young")
    assert await store.moves.tidy("mail", Keep(0, 0, 0, 0).pack()) == (0, 0, 2)
    assert [r.why for r in await store.add("young")] == ["DUPLICATE"]


async def test_a_tombstone_stands_for_its_time_then_the_id_is_free(store: Bench) -> None:
    await store.add("a")
    await store.moves.delete("mail", "a")
    store.at(TOMB_MS - 1)
    await store.moves.tidy("mail")
    assert [r.why for r in await store.add("a")] == ["DUPLICATE"]
    store.at(TOMB_MS)
    await store.moves.tidy("mail")
    assert "tombs" not in await store.dump()
    assert await store.add("a") == []


async def test_tombstones_go_a_slice_at_a_time_the_oldest_first(store: Bench) -> None:
    for i in range(5):
        store.at(i)
        await store.add(f"j{i}")
        await store.moves.delete("mail", f"j{i}")
    store.at(TOMB_MS + 10)
    await store.moves.tidy("mail", slice=3)
    assert list((await store.dump())["tombs"]) == ["j3", "j4"]


@pytest.mark.parametrize("count", [0, 1])
async def test_a_slice_of_nothing_drops_nothing(store: Bench, count: int) -> None:
    """Whether such a call is refused or does nothing: no ended job may go, nor its records."""
    await _end(store, "completed", "a", "b", "c")
    before = await store.dump()
    keep = Keep(0 if count == 0 else 1000, count, 0, 0).pack()
    store.at(5)
    try:
        await store.exchange(slice=0, tidy=True, keep=keep)
    except Exception as error:
        assert "BAD" in str(error)
    after = await store.dump()
    assert (after.get("completed"), after.get("jobs")) == (before["completed"], before["jobs"])


async def test_pruning_leaves_other_states_alone(store: Bench) -> None:
    await store.add("a")
    await store.claim()
    await store.add("b", delay=f"{5 * LEASE}")
    await _end(store, "completed", "c")
    await store.moves.tidy("mail", Keep(0, 0, 0, 0).pack())
    counts = (await store.views.queue("mail")).counts
    assert {s for s, n in counts.items() if n} == {JobState.RUNNING, JobState.SCHEDULED}
