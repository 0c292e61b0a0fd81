"""Delete: a job and all that is known of it is dropped; its id is remembered for a while."""

from __future__ import annotations

import pytest

from nexq.errors import JobNotFound
from nexq.store import Refused
from tests.contract.bench import T0, Bench, without_clock

GONE_STATES = ["ready", "scheduled", "retrying", "completed", "dead", "cancelled"]


@pytest.mark.parametrize("state", GONE_STATES)
async def test_nothing_is_left_of_a_deleted_job_but_its_tombstone(store: Bench, state: str) -> None:
    await store.to_state("a", state, unique="k", result=b"1")
    store.at(10)
    assert await store.moves.delete("mail", "a") is True
    dump = await store.dump()
    assert {k: v for k, v in dump.items() if k not in ("queue", "wake")} == {"tombs": {"a": T0 + 10}}
    assert dump["queue"]["deleted_total"] == 1


async def test_a_running_job_is_left_alone(store: Bench) -> None:
    await store.to_state("a", "running")
    before = await store.dump()
    assert await store.moves.delete("mail", "a") is False
    assert await store.dump() == before


async def test_a_job_that_is_not_there_is_not_found(store: Bench) -> None:
    with pytest.raises(JobNotFound):
        await store.moves.delete("mail", "ghost")
    assert await store.dump() == {}


async def test_a_late_repeat_of_the_enqueue_does_not_bring_it_back(store: Bench) -> None:
    await store.add("a")
    await store.moves.delete("mail", "a")
    before = await store.dump()
    assert await store.add("a") == [Refused(0, "DUPLICATE", "a")]
    assert await store.dump() == before


async def test_a_deleted_jobs_unique_key_is_free(store: Bench) -> None:
    await store.add("a", unique="k")
    await store.moves.delete("mail", "a")
    assert await store.add("b", unique="k") == []


async def test_who_waits_for_a_deleted_job_is_told(store: Bench) -> None:
    await store.add("a")
    await store.moves.watch("mail", "a", "me")
    await store.moves.delete("mail", "a")
    assert await store.take("done:me") == ["a"]


async def test_records_of_a_job_that_stands_nowhere_can_be_deleted(store: Bench) -> None:
    await store.add("a", "b")
    await store.unplant("ready:5", "a")
    assert await store.moves.delete("mail", "a") is True
    assert set((await store.dump())["jobs"]) == {"b"}


async def test_only_the_job_asked_for_is_deleted(store: Bench) -> None:
    await store.add("a")
    before = await store.dump()
    await store.add("b", unique="k")
    await store.moves.delete("mail", "b")
    after = without_clock(await store.dump())
    assert after["jobs"] == before["jobs"]
    assert after["ready:5"] == before["ready:5"]
