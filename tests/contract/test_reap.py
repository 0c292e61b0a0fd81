"""Reaping: a job whose lease ran out goes back; one that keeps killing its workers is buried."""

from __future__ import annotations

import pytest

from nexq.states import JobState
from tests.contract.bench import LEASE, T0, Bench, ids


async def test_a_lease_lasts_until_its_deadline(store: Bench) -> None:
    await store.add("a")
    await store.claim()
    store.at(LEASE - 0.001)
    assert await store.moves.tidy("mail") == (0, 0, 0)
    assert await store.claim(worker="w2") == []
    assert await store.states() == {"running": {"a": T0 + LEASE}}


async def test_at_its_deadline_the_job_is_ready_again_and_the_attempt_not_counted(store: Bench) -> None:
    await store.add("a", priority=8)
    await store.claim()
    store.at(LEASE)
    assert await store.moves.tidy("mail") == (0, 1, 0)
    assert await store.states() == {"ready:8": {"a": T0 + LEASE}}
    record = await store.views.get("mail", "a")
    assert (record.run.attempt, record.run.delivery, record.run.lost) == (0, 1, 1)
    assert [(a.outcome, a.attempt, a.worker, a.error["type"]) for a in record.attempts] == [
        ("lost", 1, "w1", "WorkerLost")
    ]
    assert (await store.dump())["queue"]["lost_total"] == 1
    assert (await store.dump())["wake"] is True


async def test_any_workers_exchange_takes_it_back_and_may_claim_it_at_once(store: Bench) -> None:
    await store.add("a")
    (old,) = await store.claim(worker="w1")
    store.at(LEASE)
    (new,) = await store.claim(worker="w2")
    assert (new.id, new.counts) == (b"a", b"1 2 1")
    assert new.token > old.token


async def test_a_call_reaps_at_most_its_slice_the_longest_overdue_first(store: Bench) -> None:
    await store.add(*"abc")
    for lease in (300, 100, 200):
        await store.claim(lease_ms=lease)
    store.at(1000)
    await store.exchange(slice=2)
    states = await store.states()
    assert (states["running"], list(states["ready:5"])) == ({"a": T0 + 300}, ["b", "c"])


@pytest.mark.parametrize("max_lost", [0, 1, 3, 9])
async def test_a_job_that_loses_more_workers_than_it_may_is_buried(store: Bench, max_lost: int) -> None:
    await store.add("a", max_lost=max_lost)
    for round in range(1, max_lost + 2):
        assert await store.where("a") == ["ready:5"]
        await store.claim()
        store.at(round * LEASE)
        await store.moves.tidy("mail")
    assert await store.where("a") == ["dead"]
    record = await store.views.get("mail", "a")
    assert (record.run.lost, record.attempts[-1].outcome) == (max_lost + 1, "lost")
    totals = (await store.views.queue("mail")).totals
    assert (totals["lost"], totals["dead"]) == (max_lost + 1, 1)


async def test_options_do_not_change_how_often_a_worker_may_die(store: Bench) -> None:
    await store.add("a", max_lost=0, options={"timeout_s": 1})
    await store.claim()
    store.at(LEASE)
    await store.moves.tidy("mail")
    assert await store.where("a") == ["dead"]


async def test_failed_attempts_do_not_count_as_lost_workers(store: Bench) -> None:
    await store.add("a", max_lost=0)
    for _ in range(3):
        await store.settle("retry", *await store.claim())
    assert await store.where("a") == ["ready:5"]


async def test_lost_runs_do_not_use_up_attempts(store: Bench) -> None:
    await store.add("a", max_lost=9)
    for round in range(1, 4):
        await store.claim()
        store.at(round * LEASE)
    (claim,) = await store.claim()
    assert claim.counts == b"1 4 3"


async def test_a_job_asked_to_cancel_is_cancelled_when_its_lease_runs_out(store: Bench) -> None:
    await store.add("a", max_lost=0)
    await store.claim()
    await store.moves.cancel("mail", "a")
    store.at(LEASE)
    await store.moves.tidy("mail")
    dump = await store.dump()
    assert dump["cancelled"] == {"a": T0 + LEASE}
    assert "cancels" not in dump


async def test_every_claim_of_a_dead_worker_comes_back(store: Bench) -> None:
    await store.add(*(f"j{i}" for i in range(20)))
    await store.claim(20, worker="dies")
    store.at(LEASE)
    assert sorted(ids(await store.claim(20, worker="lives"))) == sorted(f"j{i}" for i in range(20))


async def test_reaped_jobs_are_ready_in_the_order_of_their_deadlines(store: Bench) -> None:
    await store.add("a", "b")
    await store.claim(lease_ms=500)
    await store.claim(lease_ms=400)
    store.at(1000)
    assert ids(await store.claim(2)) == ["b", "a"]


async def test_a_paused_queue_takes_leases_back_too(store: Bench) -> None:
    await store.add("a")
    await store.claim()
    await store.moves.pause("mail", b"{}")
    store.at(LEASE)
    await store.exchange(limit=1)
    assert (await store.views.get("mail", "a")).state is JobState.READY


async def test_jobs_taken_back_are_remembered_with_their_workers(store: Bench) -> None:
    await store.add("back")
    await store.claim(worker="w1")
    await store.add("buried", max_lost=0)
    await store.claim(worker="w 2")
    await store.add("stopped")
    await store.claim(worker="w1")
    await store.moves.cancel("mail", "stopped")
    store.at(LEASE)
    await store.moves.tidy("mail")
    found = await store.views.rerouted("mail")
    assert {(r.id, r.became, r.worker, r.at_ms, r.queue) for r in found} == {
        ("back", "ready", "w1", T0 + LEASE, "mail"),
        ("buried", "dead", "w 2", T0 + LEASE, "mail"),
        ("stopped", "cancelled", "w1", T0 + LEASE, "mail"),
    }
    assert {r.id for r in await store.views.rerouted("mail", "w1")} == {"back", "stopped"}
    assert len(await store.views.rerouted("mail", limit=1)) == 1
    assert await store.views.rerouted("other") == []


async def test_the_newest_of_those_taken_back_are_remembered(store: Bench) -> None:
    for round in range(6):
        await store.add(*(f"j{round}-{n}" for n in range(200)))
        store.at(round * 2 * LEASE)
        await store.claim(200)
        store.at((round * 2 + 1) * LEASE)
        await store.moves.tidy("mail", slice=1000)
        await store.settle("cancel", *await store.claim(1000))
    found = await store.views.rerouted("mail", limit=1000)
    assert len(found) == 1000
    assert found[0].at_ms > found[-1].at_ms
