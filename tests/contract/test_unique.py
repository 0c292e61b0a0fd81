"""Unique jobs: at most one live job holds a key; it gives the key back however it ends."""

from __future__ import annotations

import pytest

from nexq.states import JobState
from nexq.store import Entry, Keep, Refused
from tests.contract.bench import LEASE, T0, Bench


async def test_a_second_job_with_the_key_is_refused_and_told_who_holds_it(store: Bench) -> None:
    assert await store.add("a", unique="k") == []
    before = await store.dump()
    assert await store.add("b", unique="k") == [Refused(0, "CONFLICT", "a")]
    assert await store.dump() == before
    assert before["unique"] == {"k": b"a"}


async def test_a_repeat_of_the_holders_own_enqueue_is_a_duplicate_not_a_conflict(store: Bench) -> None:
    await store.add("a", unique="k")
    assert await store.add("a", unique="k") == [Refused(0, "DUPLICATE", "a")]


async def test_of_two_jobs_with_the_key_in_one_call_the_first_is_taken(store: Bench) -> None:
    assert await store.add("a", "b", unique="k") == [Refused(1, "CONFLICT", "a")]
    assert (await store.dump())["unique"] == {"k": b"a"}


async def test_different_keys_and_jobs_without_one_do_not_meet(store: Bench) -> None:
    assert await store.add("a", unique="k") == []
    assert await store.add("b", unique="K") == []
    assert await store.add("c", "d") == []


async def test_the_same_key_in_another_queue_is_another_key(store: Bench) -> None:
    assert await store.add("a", unique="k", queue="one") == []
    assert await store.add("b", unique="k", queue="two") == []


@pytest.mark.parametrize("state", ["scheduled", "retrying", "running", "ready"])
async def test_a_live_job_keeps_its_key(store: Bench, state: str) -> None:
    await store.to_state("a", state, unique="k")
    assert (await store.dump())["unique"] == {"k": b"a"}
    assert [r.holder for r in await store.add("b", unique="k")] == ["a"]


@pytest.mark.parametrize("end", ["complete", "bury", "cancel outcome", "cancel waiting", "lost", "delete", "purge"])
async def test_every_way_to_end_gives_the_key_back(store: Bench, end: str) -> None:
    await store.add("a", unique="k", max_lost=0)
    await store.add("other", unique="other", delay="99999")
    if end == "cancel waiting":
        await store.moves.cancel("mail", "a")
    elif end == "delete":
        await store.moves.delete("mail", "a")
    elif end == "purge":
        await store.moves.purge("mail", JobState.READY)
    else:
        claims = await store.claim()
        if end == "complete":
            await store.complete(*claims)
        elif end == "lost":
            store.at(LEASE)
            await store.moves.tidy("mail")
        else:
            await store.settle("bury" if end == "bury" else "cancel", *claims)
    assert (await store.dump())["unique"] == {"other": b"other"}
    assert await store.add("b", unique="k") == []


async def test_an_ended_job_does_not_give_back_the_key_that_another_holds_by_now(store: Bench) -> None:
    await store.to_state("a", "dead", unique="k")
    await store.add("b", unique="k")
    await store.moves.delete("mail", "a")
    assert (await store.dump())["unique"] == {"k": b"b"}


async def test_pruning_an_ended_job_leaves_the_new_holder_its_key(store: Bench) -> None:
    await store.to_state("a", "completed", unique="k")
    await store.add("b", unique="k")
    await store.moves.tidy("mail", Keep(0, 0, 0, 0).pack())
    assert (await store.dump())["unique"] == {"k": b"b"}


async def test_a_key_whose_holder_vanished_is_taken_over(store: Bench) -> None:
    await store.add("a", unique="k")
    await store.moves.delete("mail", "a")
    await store.plant_hash("unique", "k", "vanished")
    assert await store.add("b", unique="k") == []
    assert (await store.dump())["unique"] == {"k": b"b"}


async def test_keys_may_hold_spaces_braces_and_any_letter(store: Bench) -> None:
    key = "user {42}: día ✓"
    await store.add("a", unique=key)
    assert [r.holder for r in await store.add("b", unique=key)] == ["a"]
    await store.moves.cancel("mail", "a")
    assert await store.add("b", unique=key) == []


async def test_a_refused_entry_does_not_hold_up_the_others(store: Bench) -> None:
    await store.add("a", unique="k")
    spec = b"53t\n{}"
    refused = await store.moves.enqueue(
        "mail", [Entry("b", spec), Entry("c", b"5dt\nk\n\n{}", "", "k"), Entry("d", spec)]
    )
    assert refused == [Refused(1, "CONFLICT", "a")]
    assert set((await store.states())["ready:5"]) == {"a", "b", "d"}


async def test_a_delayed_unique_job_holds_its_key_while_it_waits(store: Bench) -> None:
    await store.add("a", unique="k", delay="1000")
    store.at(999)
    assert [r.why for r in await store.add("b", unique="k")] == ["CONFLICT"]
    assert await store.states() == {"scheduled": {"a": T0 + 1000}}
