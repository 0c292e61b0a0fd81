"""Cancel: a waiting job ends at once, of a running one the worker is told."""

from __future__ import annotations

import pytest

from nexq.errors import JobNotFound
from nexq.states import JobState
from tests.contract.bench import LEASE, T0, Bench, ids


@pytest.mark.parametrize("state", ["ready", "scheduled", "retrying"])
async def test_a_waiting_job_is_cancelled_at_once(store: Bench, state: str) -> None:
    await store.add("a", delay="5000" if state == "scheduled" else "")
    if state == "retrying":
        await store.settle("retry", *await store.claim(), delay_ms=5000)
    store.at(10)
    assert await store.moves.cancel("mail", "a") is JobState.CANCELLED
    assert await store.states() == {"cancelled": {"a": T0 + 10}}
    store.at(9999)
    assert await store.claim() == []


async def test_a_blocked_job_is_cancelled_at_once(store: Bench) -> None:
    # No verb blocks a job yet: it is stood there by hand.
    await store.add("a", delay="5000")
    await store.plant("blocked", "a", T0)
    await store.unplant("scheduled", "a")
    assert await store.moves.cancel("mail", "a") is JobState.CANCELLED
    assert await store.states() == {"cancelled": {"a": T0}}


@pytest.mark.parametrize("end", ["completed", "dead", "cancelled"])
async def test_an_ended_job_stays_as_it_is(store: Bench, end: str) -> None:
    await store.add("a")
    (claim,) = await store.claim()
    if end == "completed":
        await store.complete(claim)
    else:
        await store.settle({"dead": "bury", "cancelled": "cancel"}[end], claim)
    before = await store.dump()
    store.at(10)
    assert await store.moves.cancel("mail", "a") is JobState(end)
    assert await store.dump() == before


async def test_a_job_that_is_not_there_is_not_found(store: Bench) -> None:
    with pytest.raises(JobNotFound):
        await store.moves.cancel("mail", "ghost")
    assert await store.dump() == {}


async def test_the_worker_of_a_running_job_is_told_with_its_token(store: Bench) -> None:
    await store.add("a")
    (claim,) = await store.claim(worker="w7")
    store.at(10)
    assert await store.moves.cancel("mail", "a") is JobState.RUNNING
    dump = await store.dump()
    assert dump["running"] == {"a": T0 + LEASE}
    assert dump["cancels"] == {"a": f"{T0 + 10:.0f}".encode()}
    assert (await store.views.get("mail", "a")).cancel_requested is True
    assert await store.take("control:w7") == [f"cancel a {claim.token}"]


@pytest.mark.parametrize("kind", ["retry", "snooze", "release", "cancel"])
async def test_a_job_asked_to_cancel_does_not_come_back(store: Bench, kind: str) -> None:
    await store.add("a")
    claims = await store.claim()
    await store.moves.cancel("mail", "a")
    assert await store.settle(kind, *claims, delay_ms=5) == []
    dump = await store.dump()
    assert dump["cancelled"] == {"a": T0}
    assert "cancels" not in dump


async def test_a_job_that_completed_all_the_same_is_completed(store: Bench) -> None:
    await store.add("a")
    claims = await store.claim()
    await store.moves.cancel("mail", "a")
    assert await store.complete(*claims, result=b"1") == []
    dump = await store.dump()
    assert dump["completed"] == {"a": T0}
    assert "cancels" not in dump


async def test_a_job_that_is_out_of_attempts_is_dead_all_the_same(store: Bench) -> None:
    await store.add("a")
    claims = await store.claim()
    await store.moves.cancel("mail", "a")
    await store.settle("bury", *claims)
    dump = await store.dump()
    assert dump["dead"] == {"a": T0}
    assert "cancels" not in dump


async def test_only_the_job_asked_for_is_cancelled(store: Bench) -> None:
    await store.add(*"abc")
    await store.moves.cancel("mail", "b")
    assert ids(await store.claim(5)) == ["a", "c"]


async def test_a_cancelled_job_is_found_at_a_changed_priority(store: Bench) -> None:
    await store.add("a", priority=1)
    await store.moves.reprioritize("mail", "a", 9)
    await store.moves.cancel("mail", "a")
    assert await store.states() == {"cancelled": {"a": T0}}
