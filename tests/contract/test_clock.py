"""Time: the server's clock decides, it never runs back, nothing is early, and order within a priority is strict."""

from __future__ import annotations

import random
import time

import pytest

from nexq.states import JobState
from tests.contract.bench import LEASE, T0, Bench, ids


async def _now(store: Bench) -> float:
    return (await store.dump())["queue"]["now_ms"]


async def test_without_a_virtual_clock_the_servers_time_is_used(store: Bench) -> None:
    store.set_clock("")
    before = time.time() * 1000
    await store.add("a")
    answer = await store.exchange(limit=1)
    after = time.time() * 1000
    assert before - 1 <= answer.now_ms <= after + 1
    assert before - 1 <= (await store.views.get("mail", "a")).spec.enqueued_ms <= after + 1


@pytest.mark.parametrize("call", ["enqueue", "exchange", "extend", "tidy", "pause", "cancel", "purge"])
async def test_the_queues_clock_does_not_run_back(store: Bench, call: str) -> None:
    await store.add("a", delay="1")
    store.at(5000)
    await store.exchange()
    assert await _now(store) == T0 + 5000
    store.at(-60_000)
    calls = {
        "enqueue": lambda: store.add("b"),
        "exchange": lambda: store.exchange(),
        "extend": lambda: store.moves.extend("mail", [(b"a", 1)], 1),
        "tidy": lambda: store.moves.tidy("mail"),
        "pause": lambda: store.moves.pause("mail", b"{}"),
        "cancel": lambda: store.moves.cancel("mail", "a"),
        "purge": lambda: store.moves.purge("mail", JobState.READY),
    }
    await calls[call]()
    assert await _now(store) == T0 + 5000


async def test_when_the_clock_steps_back_leases_and_delays_count_from_the_latest_time_seen(store: Bench) -> None:
    store.at(5000)
    await store.add("a")
    store.at(0)
    (a,) = await store.claim(lease_ms=100)
    await store.add("b", delay="100")
    await store.moves.extend("mail", [(a.id, a.token)], 200)
    assert await store.states() == {"running": {"a": T0 + 5200}, "scheduled": {"b": T0 + 5100}}


async def test_a_step_back_takes_no_lease_away_and_a_step_forward_only_a_slice(store: Bench) -> None:
    await store.add(*(f"j{i}" for i in range(10)))
    await store.claim(10)
    store.at(-3_600_000)
    assert await store.moves.tidy("mail") == (0, 0, 0)
    store.at(3_600_000)
    await store.exchange(slice=3)
    assert len((await store.states())["running"]) == 7


async def test_no_job_is_ever_early(store: Bench) -> None:
    rng = random.Random(7)
    due = {f"j{i}": rng.randrange(0, 2_000_000) / 1000 for i in range(100)}
    for id, delay in due.items():
        await store.add(id, delay=f"{delay:.3f}")
    at, seen = 0.0, 0
    while seen < len(due):
        store.at(at)
        answer = await store.exchange(limit=100, lease_ms=1e9)
        for claim in answer.claims:
            assert float(f"{T0 + due[claim.id.decode()]:.3f}") <= T0 + at + 0.001
            seen += 1
        assert answer.next_s is not None
        at = round(at + answer.next_s * 1000 + 0.001, 3)


async def test_order_within_a_priority_is_the_order_of_arrival_however_many_come_in_one_millisecond(
    store: Bench,
) -> None:
    expected = []
    for i in range(40):
        batch = [f"{rank:03}-{i}" for rank in range(30, 0, -1)]
        store.at(i // 20)
        await store.add(*batch)
        expected += batch
    got = [id for _ in range(12) for id in ids(await store.claim(100))]
    assert got == expected


async def test_order_holds_over_every_way_to_become_ready(store: Bench) -> None:
    await store.add("a1", delay="10")
    await store.add("a2")
    (a2,) = await store.claim()
    await store.add("a3")
    await store.to_state("a4", "dead")
    await store.settle("release", a2)
    await store.moves.revive("mail", "a4")
    await store.moves.run_now("mail", "a1")
    await store.add("a5")
    assert ids(await store.claim(9)) == ["a3", "a2", "a4", "a1", "a5"]


async def test_order_survives_a_clock_that_steps_back(store: Bench) -> None:
    store.at(1000)
    await store.add("a")
    store.at(0)
    await store.add("b")
    store.at(999)
    await store.add("c")
    assert ids(await store.claim(3)) == ["a", "b", "c"]


async def test_scores_rise_strictly_even_after_the_clock_fell_behind_them(store: Bench) -> None:
    await store.add(*(f"j{i:04}" for i in range(1000)))
    last = max((await store.states())["ready:5"].values())
    assert last > T0
    store.at(0.5)
    await store.add("next")
    assert (await store.states())["ready:5"]["next"] > last


async def test_fractions_of_a_millisecond_count(store: Bench) -> None:
    await store.add("a", delay="0.25")
    store.at(0.249)
    assert await store.claim() == []
    store.at(0.25)
    assert ids(await store.claim(lease_ms=LEASE)) == ["a"]
