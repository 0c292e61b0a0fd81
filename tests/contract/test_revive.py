"""Revive: a dead or cancelled job gets another life."""

from __future__ import annotations

import pytest

from nexq.errors import JobNotFound, UniqueConflict
from nexq.states import JobState
from tests.contract.bench import LEASE, T0, Bench, ids


@pytest.mark.parametrize("state", ["dead", "cancelled"])
async def test_an_ended_job_is_ready_again_at_its_priority(store: Bench, state: str) -> None:
    await store.to_state("a", state, priority=2)
    store.at(10)
    assert await store.moves.revive("mail", "a") == (True, JobState.READY)
    assert await store.states() == {"ready:2": {"a": T0 + 10}}
    assert (await store.views.queue("mail")).totals["revived"] == 1


async def test_attempts_and_lost_workers_are_counted_anew_deliveries_go_on(store: Bench) -> None:
    await store.add("a", max_lost=0)
    await store.settle("retry", *await store.claim())
    await store.claim()
    store.at(LEASE)
    await store.moves.tidy("mail")
    assert await store.where("a") == ["dead"]
    await store.moves.revive("mail", "a")
    run = (await store.views.get("mail", "a")).run
    assert (run.attempt, run.delivery, run.lost) == (0, 2, 0)
    (claim,) = await store.claim()
    assert claim.counts == b"1 3 0"


async def test_its_history_is_kept(store: Bench) -> None:
    await store.to_state("a", "dead")
    await store.moves.revive("mail", "a")
    assert [a.outcome for a in (await store.views.get("mail", "a")).attempts] == ["bury"]


async def test_a_job_cancelled_before_it_ever_ran_can_be_revived(store: Bench) -> None:
    await store.add("a")
    await store.moves.cancel("mail", "a")
    assert await store.moves.revive("mail", "a") == (True, JobState.READY)
    (claim,) = await store.claim()
    assert (claim.token, claim.counts) == (1, b"")


async def test_a_revived_job_is_not_stopped_by_its_old_cancellation(store: Bench) -> None:
    await store.add("a")
    claims = await store.claim()
    await store.moves.cancel("mail", "a")
    await store.settle("retry", *claims)
    await store.moves.revive("mail", "a")
    (claim,) = await store.claim()
    assert await store.moves.extend("mail", [(claim.id, claim.token)], LEASE) == ([], [])
    assert await store.settle("retry", claim, delay_ms=5) == []
    assert await store.where("a") == ["retrying"]


@pytest.mark.parametrize("state", ["ready", "scheduled", "retrying", "running", "completed"])
async def test_any_other_job_is_left_alone(store: Bench, state: str) -> None:
    await store.to_state("a", state)
    before = await store.dump()
    assert await store.moves.revive("mail", "a") == (False, JobState(state))
    assert await store.dump() == before


async def test_a_job_that_is_not_there_is_not_found(store: Bench) -> None:
    with pytest.raises(JobNotFound):
        await store.moves.revive("mail", "ghost")
    assert await store.dump() == {}


async def test_a_job_whose_unique_key_another_holds_stays_dead(store: Bench) -> None:
    await store.to_state("a", "dead", unique="k")
    await store.add("b", unique="k")
    before = await store.dump()
    with pytest.raises(UniqueConflict) as caught:
        await store.moves.revive("mail", "a")
    assert caught.value.holder == "b"
    assert await store.dump() == before


async def test_a_revived_job_holds_its_unique_key_again(store: Bench) -> None:
    await store.to_state("a", "cancelled", unique="k")
    await store.moves.revive("mail", "a")
    assert (await store.dump())["unique"] == {"k": b"a"}
    assert [r.why for r in await store.add("b", unique="k")] == ["CONFLICT"]


async def test_a_revived_job_stands_behind_those_that_wait(store: Bench) -> None:
    await store.to_state("a", "dead")
    await store.add("b")
    await store.moves.revive("mail", "a")
    assert ids(await store.claim(2)) == ["b", "a"]
