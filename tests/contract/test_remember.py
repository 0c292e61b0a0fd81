"""Remember: ids whose enqueue may be repeated long after, by a broker that delivers again what was not acknowledged."""

from __future__ import annotations

from typing import Any

from nexq.job import Spec
from nexq.states import JobState
from nexq.store import Entry, Keep, Refused
from tests.contract.bench import T0, Bench

Q = "mail"
WEEK_S = 7 * 86_400.0
#: Ended jobs go at once.
NOTHING = Keep(completed_s=0, completed_count=0, dead_s=0, dead_count=0).pack()


def entry(id: str, unique: str = "") -> Entry:
    return Entry(id, Spec("t", b"{}", unique=unique).pack(), "", unique)


async def remembered(store: Bench) -> dict[str, float]:
    return (await store.dump()).get("remembered", {})


async def end_and_prune(store: Bench, id: str, at_ms: float) -> None:
    """The job is cancelled, and its record and tombstone are gone two minutes later."""
    store.at(at_ms)
    assert await store.moves.cancel(Q, id) is JobState.CANCELLED
    store.at(at_ms + 60_001)
    await store.moves.tidy(Q, NOTHING)
    store.at(at_ms + 120_002)
    await store.moves.tidy(Q, NOTHING)


async def test_a_repeat_is_recognised_long_after_the_job_and_its_tombstone_are_gone(store: Bench) -> None:
    assert await store.moves.enqueue(Q, [entry("a"), entry("b")], remember_s=WEEK_S) == []
    await end_and_prune(store, "a", 1000)
    dump = await store.dump()
    assert set(dump["jobs"]) == {"b"} and "tombs" not in dump
    store.at(6 * 86_400_000)
    assert await store.moves.enqueue(Q, [entry("a"), entry("c")], remember_s=WEEK_S) == [Refused(0, "DUPLICATE", "a")]
    assert set((await store.dump())["jobs"]) == {"b", "c"}


async def test_a_repeat_is_remembered_anew_for_it_may_be_repeated_again(store: Bench) -> None:
    await store.moves.enqueue(Q, [entry("a")], remember_s=100)
    store.at(50_000)
    await store.moves.enqueue(Q, [entry("a")], remember_s=100)
    assert await remembered(store) == {"a": T0 + 150_000}


async def test_a_usual_enqueue_remembers_nothing_and_asks_nobody(store: Bench) -> None:
    await store.add("a")
    assert await remembered(store) == {}
    await store.moves.enqueue(Q, [entry("b")], remember_s=WEEK_S)
    await end_and_prune(store, "b", 1000)
    assert await store.add("b") == []


async def test_what_is_forgotten_is_recognised_no_longer_than_usual(store: Bench) -> None:
    await store.moves.enqueue(Q, [entry("a"), entry("b")], remember_s=WEEK_S)
    await store.moves.forget(Q, ["a", "never was"])
    assert list(await remembered(store)) == ["b"]
    assert await store.moves.enqueue(Q, [entry("a")]) == [Refused(0, "DUPLICATE", "a")]
    await end_and_prune(store, "a", 1000)
    assert await store.moves.enqueue(Q, [entry("a")], remember_s=WEEK_S) == []


async def test_it_can_be_forgotten_a_while_later(store: Bench) -> None:
    await store.moves.enqueue(Q, [entry("a")], remember_s=WEEK_S)
    store.at(1000)
    await store.moves.forget(Q, ["a", "never was"], keep_s=60)
    assert await remembered(store) == {"a": T0 + 61_000}


async def test_what_is_over_is_dropped_by_the_next_enqueue_that_remembers(store: Bench) -> None:
    await store.moves.enqueue(Q, [entry("a")], remember_s=10)
    store.at(10_000)
    await store.moves.enqueue(Q, [entry("b")], remember_s=10)
    assert list(await remembered(store)) == ["b"]


async def test_one_that_was_turned_away_for_its_unique_key_may_come_again(store: Bench) -> None:
    await store.moves.enqueue(Q, [entry("a", "u")], remember_s=WEEK_S)
    refused = await store.moves.enqueue(Q, [entry("b", "u"), entry("c"), entry("a", "u")], remember_s=WEEK_S)
    assert [(r.place, r.why) for r in refused] == [(0, "CONFLICT"), (2, "DUPLICATE")]
    assert set(await remembered(store)) == {"a", "c"}
    await store.moves.cancel(Q, "a")
    assert await store.moves.enqueue(Q, [entry("b", "u")], remember_s=WEEK_S) == []


async def test_all_that_is_remembered_can_be_read(store: Bench) -> None:
    assert await store.moves.recall(Q) == []
    ids = [f"j{i:04}" for i in range(2500)]
    for i in range(0, 2500, 500):
        await store.moves.enqueue(Q, [entry(id) for id in ids[i : i + 500]], remember_s=WEEK_S)
    assert sorted(await store.moves.recall(Q)) == ids


async def test_bad_input_changes_nothing(store: Bench) -> None:
    before = await store.dump()
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("enqueue", ("-1", "0", "a", Spec("t", b"{}").pack(), "", "")),
        ("enqueue", ("nan", "0", "a", Spec("t", b"{}").pack(), "", "")),
        ("forget", ("-1", "a")),
        ("forget", ("0",)),
        ("forget", ("0", *map(str, range(1001)))),
    ]
    for name, args in calls:
        script, keys = store.moves._bind(name, Q)
        reply = await store.backend.run(script, Q, keys, (store.moves.now_ms, *args))
        assert isinstance(reply, list) and reply[0] == b"BAD", (name, args)
    assert await store.dump() == before
