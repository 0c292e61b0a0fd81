"""Pause: a queue hands out nothing; everything else goes on."""

from __future__ import annotations

from nexq.states import JobState
from tests.contract.bench import LEASE, T0, Bench, ids


async def test_a_paused_queue_hands_out_nothing(store: Bench) -> None:
    await store.add("a")
    await store.moves.pause("mail", b'{"reason":"deploy","by":"me"}')
    assert await store.claim(5) == []
    assert await store.states() == {"ready:5": {"a": T0}}


async def test_the_view_tells_why_and_since_when(store: Bench) -> None:
    assert (await store.views.queue("mail")).paused is None
    store.at(250)
    await store.moves.pause("mail", b'{"reason":"deploy"}')
    assert (await store.views.queue("mail")).paused == {"reason": "deploy", "since_ms": int(T0) + 250}


async def test_resuming_hands_out_again_and_wakes_a_worker(store: Bench) -> None:
    await store.add("a")
    await store.moves.pause("mail", b"{}")
    await store.take("wake")
    await store.moves.pause("mail", b"")
    dump = await store.dump()
    assert dump["wake"] is True
    assert set(dump["queue"]) == {"now_ms", "ready_ms", "token", "enqueued_total"}
    assert ids(await store.claim()) == ["a"]


async def test_jobs_are_taken_in_while_paused(store: Bench) -> None:
    await store.moves.pause("mail", b"{}")
    assert await store.add("a") == []
    assert (await store.views.queue("mail")).counts[JobState.READY] == 1


async def test_running_jobs_are_settled_and_extended_while_paused(store: Bench) -> None:
    await store.add("a", "b")
    a, b = await store.claim(2)
    await store.moves.pause("mail", b"{}")
    assert await store.complete(a) == []
    assert await store.moves.extend("mail", [(b.id, b.token)], LEASE) == ([], [])


async def test_other_queues_go_on(store: Bench) -> None:
    await store.add("a", queue="other")
    await store.moves.pause("mail", b"{}")
    assert ids(await store.claim(queue="other")) == ["a"]


async def test_a_new_reason_replaces_the_old_one(store: Bench) -> None:
    await store.moves.pause("mail", b'{"reason":"one"}')
    store.at(5)
    await store.moves.pause("mail", b'{"reason":"two"}')
    assert (await store.views.queue("mail")).paused == {"reason": "two", "since_ms": int(T0) + 5}
