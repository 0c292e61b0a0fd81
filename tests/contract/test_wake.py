"""Wake-ups: a waiting worker hears of work that it may take now, or sooner than it thought."""

from __future__ import annotations

import asyncio
import time

import pytest

from nexq.keys import queue_keys
from tests.contract.bench import LEASE, T0, Bench, ids


async def _woken(store: Bench) -> bool:
    """Whether a wake-up lies ready; takes it."""
    return bool(await store.take("wake"))


async def test_a_new_ready_job_wakes(store: Bench) -> None:
    await store.add("a")
    assert await _woken(store)


async def test_many_new_jobs_leave_one_token_not_many(store: Bench) -> None:
    for i in range(5):
        await store.add(f"j{i}")
    assert await store.take("wake") == ["1"]


async def test_a_job_due_before_all_others_wakes_a_later_one_does_not(store: Bench) -> None:
    await store.add("a", delay="5000")
    assert await _woken(store)
    await store.add("b", delay="6000")
    await store.add("c", delay="5000")
    assert not await _woken(store)
    await store.add("d", delay="4999")
    assert await _woken(store)


async def test_a_refused_job_wakes_nobody(store: Bench) -> None:
    await store.add("a")
    await _woken(store)
    await store.add("a")
    assert not await _woken(store)


async def test_resuming_wakes_pausing_does_not(store: Bench) -> None:
    await store.moves.pause("mail", b"{}")
    assert not await _woken(store)
    await store.moves.pause("mail", b"")
    assert await _woken(store)


@pytest.mark.parametrize("verb", ["run_now", "revive"])
async def test_a_job_made_ready_by_hand_wakes(store: Bench, verb: str) -> None:
    await store.to_state("a", "scheduled" if verb == "run_now" else "dead")
    await _woken(store)
    await getattr(store.moves, verb)("mail", "a")
    assert await _woken(store)


async def test_who_leaves_work_behind_wakes_the_next(store: Bench) -> None:
    await store.add("a", "b")
    await _woken(store)
    assert ids(await store.claim(1)) == ["a"]
    assert await _woken(store)
    assert ids(await store.claim(1, worker="w2")) == ["b"]
    assert not await _woken(store)


async def test_who_takes_less_than_it_could_wakes_nobody(store: Bench) -> None:
    await store.add("a")
    await _woken(store)
    await store.claim(5)
    assert not await _woken(store)


async def test_tidying_up_wakes_when_it_made_work(store: Bench) -> None:
    await store.add("a")
    await store.claim()
    await _woken(store)
    await store.moves.tidy("mail")
    assert not await _woken(store)
    store.at(LEASE)
    await store.moves.tidy("mail")
    assert await _woken(store)


async def test_a_blocked_wait_ends_when_work_comes(store: Bench) -> None:
    waiting = asyncio.create_task(store.take_one("wake", 20))
    await asyncio.sleep(0)
    begun = time.monotonic()
    await store.add("a")
    assert await waiting == "1"
    assert time.monotonic() - begun < 5
    assert not await _woken(store)


async def test_each_wake_up_goes_to_one_of_those_who_wait(store: Bench) -> None:
    other = Bench(store.backend.clone())
    tasks = [asyncio.create_task(s.take_one("wake", 20)) for s in (store, other)]
    try:
        await asyncio.sleep(0)
        await store.add("a")
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        await store.add("b")
        assert await asyncio.gather(*tasks) == ["1", "1"]
    finally:
        await other.aclose()


async def test_a_wait_on_many_queues_tells_which_one(store: Bench) -> None:
    keys = [queue_keys("nexq", q)["wake"] for q in ("one", "two", "three")]
    waiting = asyncio.create_task(store.backend.wait(keys, 20))
    await asyncio.sleep(0)
    await store.add("a", queue="two")
    assert await waiting == (keys[1], b"1")


async def test_an_eager_wait_tells_of_work_and_takes_the_wake_up(store: Bench) -> None:
    key = queue_keys("nexq", "mail")["wake"]
    woken, _ = await asyncio.gather(store.backend.wait([key], 20, eager=True), store.add("a", queue="mail"))
    assert woken == (key, b"1")
    # Two replicas of one log ask in turn: what one still takes the other may see.
    assert [await store.backend.wait([key], 0.05, eager=True) for _ in range(3)][1:] == [None, None]


async def test_the_first_key_named_is_served_first(store: Bench) -> None:
    keys = [queue_keys("nexq", q)["wake"] for q in ("one", "two")]
    await store.add("a", queue="two")
    await store.add("b", queue="one")
    assert [await store.backend.wait(keys, 1) for _ in range(2)] == [(k, b"1") for k in keys]


async def test_a_wait_without_work_ends_after_its_time(store: Bench) -> None:
    begun = time.monotonic()
    assert await store.take_one("wake", 0.05) is None
    assert 0.04 <= time.monotonic() - begun < 5


async def test_a_wait_that_was_given_up_takes_nothing(store: Bench) -> None:
    waiting = asyncio.create_task(store.take_one("wake", 20))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    # A new wait on the same backend comes after the old one is gone from the server.
    assert await store.take_one("wake", 0.02) is None
    await store.add("a")
    assert await store.take_one("wake", 5) == "1"


async def test_a_wake_up_can_be_passed_on(store: Bench) -> None:
    await store.moves.wake("mail")
    await store.moves.wake("mail")
    assert await store.take("wake") == ["1"]


async def test_a_peek_tells_whether_a_job_is_ready_and_when_the_first_lease_ends(store: Bench) -> None:
    assert await store.moves.peek("mail") == (False, None)
    await store.add("a", "b", priority=0)
    await store.add("later", delay="1")
    assert await store.moves.peek("mail") == (True, None)
    await store.claim(lease_ms=2000)
    await store.claim(lease_ms=1000)
    before = await store.dump()
    assert await store.moves.peek("mail") == (False, T0 + 1000)
    assert await store.dump() == before


@pytest.mark.parametrize("kind", ["retry", "snooze", "release"])
async def test_a_job_that_comes_back_wakes_somebody(store: Bench, kind: str) -> None:
    await store.add("a")
    claims = await store.claim()
    await _woken(store)
    await store.settle(kind, *claims, delay_ms=10)
    assert await _woken(store)


async def test_a_completion_wakes_nobody(store: Bench) -> None:
    await store.add("a")
    claims = await store.claim()
    await _woken(store)
    await store.complete(*claims)
    assert not await _woken(store)
