"""Fencing: who does not hold the newest claim is refused, and changes nothing."""

from __future__ import annotations

import pytest

from nexq.store import Claim
from tests.contract.bench import LEASE, T0, Bench, Settled, ids, without_clock

KINDS = ["complete", "retry", "bury", "snooze", "cancel", "release"]


async def _hand_in(store: Bench, kind: str, claim: Claim | Settled) -> list[str]:
    if kind == "complete":
        return await store.complete(claim, result=b'"stale"', slice=1)
    return await store.settle(kind, claim, delay_ms=7, detail=b'{"type":"Stale"}', slice=1)


async def _zombie(store: Bench) -> Claim:
    """A claim whose job was reaped and claimed by somebody else since."""
    await store.add("a")
    (old,) = await store.claim(worker="zombie")
    store.at(LEASE)
    assert ids(await store.claim(worker="w2")) == ["a"]
    return old


@pytest.mark.parametrize("kind", KINDS)
async def test_the_claim_before_the_newest_is_refused(store: Bench, kind: str) -> None:
    old = await _zombie(store)
    before = await store.dump()
    assert await _hand_in(store, kind, old) == ["a"]
    assert await store.dump() == before


@pytest.mark.parametrize("kind", KINDS)
async def test_a_claim_of_a_job_that_was_reaped_is_refused(store: Bench, kind: str) -> None:
    await store.add("a")
    (old,) = await store.claim()
    store.at(LEASE)
    await store.moves.tidy("mail")
    before = await store.dump()
    assert await _hand_in(store, kind, old) == ["a"]
    assert await store.dump() == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("token", [0, 2, 11, 999])
async def test_a_token_that_was_never_given_is_refused(store: Bench, kind: str, token: int) -> None:
    await store.add("a")
    await store.claim()
    before = await store.dump()
    assert await _hand_in(store, kind, Settled("a", token)) == ["a"]
    assert await store.dump() == before


@pytest.mark.parametrize("kind", KINDS)
async def test_the_start_of_a_token_is_not_the_token(store: Bench, kind: str) -> None:
    await store.add(*(f"j{i:02}" for i in range(12)))
    claims = await store.claim(12)
    assert claims[11].token == 12
    before = await store.dump()
    assert await _hand_in(store, kind, Settled("j11", 1)) == ["j11"]
    assert await store.dump() == before


@pytest.mark.parametrize("kind", KINDS)
async def test_the_token_of_another_job_is_refused(store: Bench, kind: str) -> None:
    await store.add("a", "b")
    _, b = await store.claim(2)
    before = await store.dump()
    assert await _hand_in(store, kind, Settled("a", b.token)) == ["a"]
    assert await store.dump() == before


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", ["never", "ready", "scheduled", "deleted", "dead", "cancelled"])
async def test_a_job_that_is_not_running_cannot_be_settled(store: Bench, kind: str, state: str) -> None:
    claim: Claim | Settled = Settled("a", 1)
    if state in ("ready", "scheduled"):
        await store.add("a", delay="5000" if state == "scheduled" else "")
    elif state != "never":
        await store.add("a")
        (claim,) = await store.claim()
        await store.settle("bury" if state == "dead" else "cancel", claim)
        if state == "deleted":
            await store.moves.delete("mail", "a")
    before = await store.dump()
    assert await _hand_in(store, kind, claim) == ["a"]
    assert without_clock(await store.dump()) == without_clock(before)


@pytest.mark.parametrize("kind", KINDS[1:])
async def test_a_completed_job_cannot_be_settled_otherwise(store: Bench, kind: str) -> None:
    await store.add("a")
    (claim,) = await store.claim()
    await store.complete(claim)
    before = await store.dump()
    assert await _hand_in(store, kind, claim) == ["a"]
    assert await store.dump() == before


async def test_a_completed_job_is_not_completed_by_an_old_token(store: Bench) -> None:
    old = await _zombie(store)
    await store.complete(Settled("a", old.token + 1), result=b'"new"', worker="w2")
    before = await store.dump()
    assert await store.complete(old, result=b'"old"') == ["a"]
    assert await store.dump() == before


async def test_stale_outcomes_do_not_hold_up_the_good_ones(store: Bench) -> None:
    await store.add(*"abcd")
    a, b, c, d = await store.claim(4)
    flat = [a.id, a.token, b"", b.id, 77, b"", c.id, c.token, b""]
    answer = await store.exchange(
        completed=flat, others=["retry", d.id, 78, 5, b"{}", "retry", d.id, d.token, 5, b"{}"]
    )
    assert answer.stale == [b"b", b"d"]
    assert await store.states() == {
        "completed": {"a": T0, "c": T0},
        "running": {"b": T0 + LEASE},
        "retrying": {"d": T0 + 5},
    }


async def test_a_revived_jobs_old_claim_is_refused(store: Bench) -> None:
    await store.add("a")
    (old,) = await store.claim()
    await store.settle("bury", old)
    await store.moves.revive("mail", "a")
    (new,) = await store.claim()
    assert new.token > old.token
    before = await store.dump()
    assert await store.complete(old) == ["a"]
    assert await store.dump() == before


async def test_a_lease_that_ran_out_but_was_not_taken_back_may_still_be_settled(store: Bench) -> None:
    await store.add("a")
    (claim,) = await store.claim()
    store.at(LEASE + 1)
    assert await store.complete(claim) == []
    assert await store.states() == {"completed": {"a": T0 + LEASE + 1}}


async def test_the_same_id_in_another_queue_is_another_job(store: Bench) -> None:
    await store.add("a", queue="one")
    await store.add("a", queue="two")
    (one,) = await store.claim(queue="one")
    before = await store.dump("two")
    assert await store.complete(one, queue="two") == ["a"]
    assert without_clock(await store.dump("two")) == without_clock(before)
