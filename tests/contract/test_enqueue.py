"""Enqueue: what becomes of a new job."""

from __future__ import annotations

import pytest

from nexq.ids import encode7
from nexq.job import Spec
from nexq.states import JobState
from nexq.store import Entry, Refused
from tests.contract.bench import T0, Bench


async def test_a_job_without_delay_is_ready_at_its_priority(store: Bench) -> None:
    assert await store.add("a", priority=7, payload=b'{"to":1}') == []
    assert await store.dump() == {
        "ready:7": {"a": T0},
        "jobs": {"a": encode7(int(T0)).encode() + b'73t\n{"to":1}'},
        "queue": {"now_ms": T0, "ready_ms": T0, "token": 0, "enqueued_total": 1},
        "wake": True,
    }


async def test_jobs_of_one_call_become_ready_in_the_order_given(store: Bench) -> None:
    await store.add("c", "a", "b")
    scores = (await store.states())["ready:5"]
    assert sorted(scores, key=scores.__getitem__) == ["c", "a", "b"]
    assert scores == {"c": T0, "a": T0 + 0.001, "b": T0 + 0.001 + 0.001}


async def test_a_delayed_job_is_scheduled_for_now_plus_delay(store: Bench) -> None:
    await store.add("a", delay="1500.5")
    assert await store.states() == {"scheduled": {"a": T0 + 1500.5}}


async def test_a_job_for_a_point_in_time_is_scheduled_for_it(store: Bench) -> None:
    await store.add("a", delay=f"@{T0 + 60_000:.0f}")
    assert await store.states() == {"scheduled": {"a": T0 + 60_000}}


@pytest.mark.parametrize("delay", ["0", "@0", f"@{T0:.0f}", f"@{T0 - 1:.0f}"])
async def test_a_job_whose_time_has_come_is_ready_at_once(store: Bench, delay: str) -> None:
    await store.add("a", delay=delay)
    assert await store.states() == {"ready:5": {"a": T0}}


async def test_an_id_is_taken_once_whatever_the_repeat_says(store: Bench) -> None:
    await store.add("a")
    before = await store.dump()
    store.at(5)
    again = await store.add("a", "b", type="other", priority=9, delay="100")
    assert again == [Refused(0, "DUPLICATE", "a")]
    after = await store.dump()
    assert after["ready:5"] == before["ready:5"]
    assert after["jobs"]["a"] == before["jobs"]["a"]
    assert set(after["jobs"]) == {"a", "b"}


async def test_an_id_given_twice_in_one_call_is_taken_once(store: Bench) -> None:
    assert await store.add("a", "a") == [Refused(1, "DUPLICATE", "a")]
    assert await store.states() == {"ready:5": {"a": T0}}


@pytest.mark.parametrize("end", ["complete", "bury", "cancel"])
async def test_the_id_of_an_ended_job_is_still_known(store: Bench, end: str) -> None:
    await store.add("a")
    claims = await store.claim()
    await (store.complete(*claims) if end == "complete" else store.settle(end, *claims))
    before = await store.dump()
    assert await store.add("a") == [Refused(0, "DUPLICATE", "a")]
    assert await store.dump() == before


async def test_a_call_that_takes_nothing_changes_nothing(store: Bench) -> None:
    await store.add("a")
    await store.take("wake")
    before = await store.dump()
    store.at(1000)
    await store.add("a")
    assert await store.moves.enqueue("mail", []) == []
    assert await store.dump() == before


async def test_a_thousand_jobs_are_taken_in_one_call(store: Bench) -> None:
    ids = [f"j{i:04}" for i in range(1000)]
    spec = [Spec("t", b"{}", priority=i % 10).pack() for i in range(1000)]
    entries = [Entry(id, s, "60000" if i % 3 == 0 else "") for i, (id, s) in enumerate(zip(ids, spec, strict=True))]
    assert await store.moves.enqueue("mail", entries) == []
    view = await store.views.queue("mail")
    assert (view.counts[JobState.READY], view.counts[JobState.SCHEDULED]) == (666, 334)
    assert view.totals == {"enqueued": 1000}


async def test_mixed_priorities_keep_their_order_within_each(store: Bench) -> None:
    for i in range(6):
        await store.add(f"j{i}", priority=(1, 9)[i % 2])
    states = await store.states()
    assert list(states["ready:9"]) == ["j1", "j3", "j5"]
    assert list(states["ready:1"]) == ["j0", "j2", "j4"]


async def test_queues_do_not_see_each_other(store: Bench) -> None:
    await store.add("a", queue="one")
    assert await store.add("a", queue="two") == []
    assert await store.states("one") == await store.states("two") == {"ready:5": {"a": T0}}


@pytest.mark.parametrize("payload", [b"", b"null", b"\x00\xff\n\n", b"[]", b"18446744073709551616", "é".encode() * 999])
async def test_a_payload_comes_back_byte_for_byte(store: Bench, payload: bytes) -> None:
    await store.add("plain", payload=payload)
    await store.add("long", payload=payload, unique="k", options={"timeout_s": 1.5})
    for id in ("plain", "long"):
        spec = (await store.views.get("mail", id)).spec
        assert spec.payload == payload
        assert spec.enqueued_ms == T0
    assert spec.unique == "k"
    assert spec.options == {"timeout_s": 1.5}
