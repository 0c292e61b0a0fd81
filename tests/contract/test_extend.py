"""Extend: a worker's heartbeat renews its leases and hears what it lost or shall stop."""

from __future__ import annotations

from tests.contract.bench import LEASE, T0, Bench, without_clock


async def test_a_lease_lasts_the_given_time_from_now(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    store.at(4000)
    assert await store.moves.extend("mail", [(a.id, a.token)], 2500) == ([], [])
    assert await store.states() == {"running": {"a": T0 + 6500}}


async def test_an_extended_lease_is_not_taken_back_at_its_old_deadline(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    store.at(LEASE / 2)
    await store.moves.extend("mail", [(a.id, a.token)], LEASE)
    store.at(LEASE)
    assert await store.moves.tidy("mail") == (0, 0, 0)


async def test_a_lease_that_ran_out_but_was_not_taken_back_is_revived(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    store.at(2 * LEASE)
    assert await store.moves.extend("mail", [(a.id, a.token)], LEASE) == ([], [])
    assert await store.states() == {"running": {"a": T0 + 3 * LEASE}}


async def test_a_claim_that_somebody_else_holds_by_now_is_lost(store: Bench) -> None:
    await store.add("a")
    (old,) = await store.claim()
    store.at(LEASE)
    await store.claim(worker="w2")
    before = await store.dump()
    assert await store.moves.extend("mail", [(old.id, old.token)], 99 * LEASE) == ([b"a"], [])
    assert await store.dump() == before


async def test_a_job_that_was_taken_back_is_not_made_running_again(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    store.at(LEASE)
    await store.moves.tidy("mail")
    before = await store.dump()
    assert await store.moves.extend("mail", [(a.id, a.token)], LEASE) == ([b"a"], [])
    assert await store.dump() == before


async def test_settled_and_unknown_jobs_are_lost(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    await store.complete(a)
    before = await store.dump()
    assert await store.moves.extend("mail", [(a.id, a.token), (b"ghost", 1)], LEASE) == ([b"a", b"ghost"], [])
    assert without_clock(await store.dump()) == without_clock(before)


async def test_lost_claims_do_not_hold_up_the_others(store: Bench) -> None:
    await store.add(*"abc")
    a, b, c = await store.claim(3)
    pairs = [(a.id, a.token), (b.id, 99), (c.id, c.token)]
    assert await store.moves.extend("mail", pairs, 50) == ([b"b"], [])
    assert await store.states() == {"running": {"a": T0 + 50, "b": T0 + LEASE, "c": T0 + 50}}


async def test_the_worker_hears_which_jobs_shall_stop_and_keeps_them_meanwhile(store: Bench) -> None:
    await store.add("a", "b")
    a, b = await store.claim(2)
    await store.moves.cancel("mail", "b")
    assert await store.moves.extend("mail", [(a.id, a.token), (b.id, b.token)], 50) == ([], [b"b"])
    assert await store.states() == {"running": {"a": T0 + 50, "b": T0 + 50}}


async def test_more_claims_than_one_call_takes_are_extended_too(store: Bench) -> None:
    await store.add(*(f"j{i:03}" for i in range(700)))
    claims = await store.claim(700)
    await store.moves.cancel("mail", "j650")
    pairs = [(c.id, c.token) for c in claims] + [(b"ghost", 1)]
    assert await store.moves.extend("mail", pairs, 77) == ([b"ghost"], [b"j650"])
    assert set((await store.states())["running"].values()) == {T0 + 77}


async def test_extending_nothing_does_nothing(store: Bench) -> None:
    assert await store.moves.extend("mail", [], LEASE) == ([], [])
    assert await store.dump() == {}
