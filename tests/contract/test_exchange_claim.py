"""Exchange, the claiming half: who gets what, with which token, until when."""

from __future__ import annotations

import pytest

from nexq.job import Run
from tests.contract.bench import LEASE, T0, Bench, ids


async def test_a_claim_moves_the_job_to_running_with_lease_token_and_worker(store: Bench) -> None:
    await store.add("a", payload=b"[1]")
    store.at(500)
    (claim,) = await store.claim(worker="w7", lease_ms=2000)
    assert (claim.id, claim.token, claim.counts) == (b"a", 1, b"")
    assert claim.spec.endswith(b"t\n[1]")
    dump = await store.dump()
    assert (dump["running"], "ready:5" in dump) == ({"a": T0 + 2500}, False)
    assert dump["runs"] == {"a": f"1 1 1 0 {T0 + 500:.0f} w7".encode()}
    assert dump["queue"]["token"] == 1


async def test_the_started_time_is_whole_milliseconds_never_later_than_the_claim(store: Bench) -> None:
    await store.add("a")
    store.at(0.999)
    await store.claim()
    assert (await store.views.get("mail", "a")).run == Run(1, 1, 1, 0, int(T0), "w1")


async def test_higher_priorities_are_claimed_first_then_in_order_of_arrival(store: Bench) -> None:
    for id, priority in [("low", 0), ("first", 5), ("top", 9), ("second", 5), ("mid", 6)]:
        await store.add(id, priority=priority)
    assert ids(await store.claim(3)) == ["top", "mid", "first"]
    assert ids(await store.claim(3)) == ["second", "low"]


async def test_no_more_than_the_limit_is_claimed(store: Bench) -> None:
    await store.add(*"abcde")
    assert ids(await store.claim(2)) == ["a", "b"]
    assert ids(await store.claim(0)) == []
    assert ids(await store.claim(1000)) == ["c", "d", "e"]


async def test_tokens_rise_over_all_jobs_of_the_queue(store: Bench) -> None:
    await store.add(*"abc")
    tokens = [c.token for _ in range(3) for c in await store.claim()]
    assert tokens == [1, 2, 3]


async def test_each_queue_counts_its_own_tokens(store: Bench) -> None:
    await store.add("a", queue="one")
    await store.add("b", queue="two")
    assert [c.token for q in ("one", "two") for c in await store.claim(queue=q)] == [1, 1]


async def test_a_first_run_has_no_counts_and_a_later_one_has(store: Bench) -> None:
    await store.add("a")
    await store.settle("retry", *await store.claim(), delay_ms=10)
    store.at(10)
    await store.add("b")
    assert {c.id: c.counts for c in await store.claim(2)} == {b"a": b"2 2 0", b"b": b""}


async def test_outcomes_are_settled_before_new_claims_are_made(store: Bench) -> None:
    await store.add("a", "b")
    (a,) = await store.claim()
    answer = await store.exchange(completed=[a.id, a.token, b""], limit=5)
    assert (answer.stale, ids(answer.claims)) == ([], ["b"])
    assert await store.states() == {"completed": {"a": T0}, "running": {"b": T0 + LEASE}}


async def test_a_job_released_at_once_may_be_claimed_in_the_same_call_behind_those_that_waited(store: Bench) -> None:
    await store.add("a", "b")
    (a,) = await store.claim()
    answer = await store.exchange(others=["release", a.id, a.token, 0, b"{}"], limit=5)
    assert ids(answer.claims) == ["b", "a"]


async def test_an_empty_queue_gives_nothing_and_says_that_nothing_is_due(store: Bench) -> None:
    answer = await store.exchange(limit=10)
    assert (answer.now_ms, answer.next_s, answer.stale, answer.claims) == (T0, None, [], [])


@pytest.mark.parametrize("kind", ["scheduled", "retrying", "running"])
async def test_the_reply_says_when_the_next_job_is_due(store: Bench, kind: str) -> None:
    await store.add("far", delay="90000")
    if kind == "scheduled":
        await store.add("near", delay="1234.5")
    else:
        await store.add("near")
        claims = await store.claim(lease_ms=1234.5)
        if kind == "retrying":
            await store.settle("retry", *claims, delay_ms="1234.5")
    # Leases end at whole milliseconds, never too early.
    assert (await store.exchange(limit=1)).next_s == (1.235 if kind == "running" else 1.2345)
    store.at(1000)
    assert (await store.exchange(limit=1)).next_s == (0.235 if kind == "running" else 0.2345)


async def test_the_next_due_time_is_rounded_up_so_that_nobody_looks_too_early(store: Bench) -> None:
    await store.add("a", delay="0.5004")
    next_s = (await store.exchange(limit=1)).next_s
    assert next_s is not None
    store.at(next_s * 1000)
    assert ids(await store.claim()) == ["a"]


async def test_a_claimed_job_is_nobody_elses(store: Bench) -> None:
    await store.add("a")
    assert ids(await store.claim(5, worker="w1")) == ["a"]
    assert ids(await store.claim(5, worker="w2")) == []


async def test_an_id_without_a_job_behind_it_is_dropped_not_handed_out(store: Bench) -> None:
    await store.add("b")
    await store.plant("ready:9", "ghost", T0)
    assert ids(await store.claim(2)) == ["b"]
    assert await store.states() == {"running": {"b": T0 + LEASE}}


async def test_ghosts_do_not_use_up_the_limit(store: Bench) -> None:
    await store.add("b", priority=1)
    for i in range(3):
        await store.plant("ready:9", f"ghost{i}", T0)
    assert ids(await store.claim(3)) == ["b"]


async def test_a_thousand_jobs_are_claimed_and_completed_in_one_call_each(store: Bench) -> None:
    await store.add(*(f"j{i:03}" for i in range(1000)))
    claims = await store.claim(1000)
    assert [c.token for c in claims] == list(range(1, 1001))
    assert await store.complete(*claims, result=b"1") == []
    dump = await store.dump()
    assert len(dump["completed"]) == len(dump["results"]) == 1000
