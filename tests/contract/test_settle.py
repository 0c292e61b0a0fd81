"""Exchange, the settling half: each kind of outcome, and what it leaves behind."""

from __future__ import annotations

from typing import Any

import pytest

from nexq.job import Attempt
from nexq.states import JobState
from nexq.store import Claim
from tests.contract.bench import LEASE, T0, Bench, ids

ERROR = b'{"type":"ValueError","message":"no"}'


async def _claimed(store: Bench, **more: Any) -> Claim:
    await store.add("a", **more)
    (claim,) = await store.claim()
    return claim


async def test_complete_ends_the_job_and_keeps_its_result(store: Bench) -> None:
    claim = await _claimed(store)
    store.at(70)
    assert await store.complete(claim, result=b'{"n":1}') == []
    dump = await store.dump()
    assert dump["completed"] == {"a": T0 + 70}
    assert dump["results"] == {"a": b'{"n":1}'}
    assert "running" not in dump
    assert "history" not in dump
    assert dump["queue"]["completed_total"] == 1


async def test_complete_without_a_result_keeps_none(store: Bench) -> None:
    claim = await _claimed(store)
    await store.complete(claim)
    assert "results" not in await store.dump()
    assert (await store.views.get("mail", "a")).result is None


async def test_retry_waits_its_delay_and_counts_the_attempt(store: Bench) -> None:
    claim = await _claimed(store)
    store.at(70)
    assert await store.settle("retry", claim, delay_ms=500, detail=ERROR) == []
    assert await store.states() == {"retrying": {"a": T0 + 570}}
    record = await store.views.get("mail", "a")
    assert (record.run.attempt, record.run.delivery, record.state) == (1, 1, JobState.RETRYING)
    error = {"type": "ValueError", "message": "no"}
    assert record.attempts == (Attempt("retry", 1, 1, int(T0), int(T0) + 70, "w1", error),)
    assert (await store.views.queue("mail")).totals["retried"] == 1


async def test_retry_without_delay_is_due_in_the_same_call(store: Bench) -> None:
    claim = await _claimed(store)
    await store.settle("retry", claim)
    assert await store.states() == {"ready:5": {"a": T0 + 0.001}}


async def test_bury_puts_the_job_into_the_dead_set(store: Bench) -> None:
    claim = await _claimed(store)
    store.at(70)
    assert await store.settle("bury", claim, detail=ERROR, delay_ms=999) == []
    assert await store.states() == {"dead": {"a": T0 + 70}}
    record = await store.views.get("mail", "a")
    assert (record.run.attempt, record.last_error) == (1, "ValueError: no")
    assert (await store.views.queue("mail")).totals["dead"] == 1


async def test_cancel_ends_the_job_as_cancelled(store: Bench) -> None:
    claim = await _claimed(store)
    assert await store.settle("cancel", claim) == []
    assert await store.states() == {"cancelled": {"a": T0}}
    assert (await store.views.queue("mail")).totals["cancelled"] == 1


@pytest.mark.parametrize("kind", ["snooze", "release"])
async def test_snooze_and_release_wait_their_delay_and_are_no_attempt(store: Bench, kind: str) -> None:
    claim = await _claimed(store)
    assert await store.settle(kind, claim, delay_ms=300) == []
    assert await store.states() == {"scheduled": {"a": T0 + 300}}
    run = (await store.views.get("mail", "a")).run
    assert (run.attempt, run.delivery, run.lost) == (0, 1, 0)
    store.at(300)
    (again,) = await store.claim()
    assert again.counts == b"1 2 0"


@pytest.mark.parametrize("kind", ["snooze", "release"])
async def test_snooze_and_release_without_delay_are_ready_behind_those_that_wait(store: Bench, kind: str) -> None:
    claim = await _claimed(store)
    await store.add("b")
    await store.settle(kind, claim)
    assert ids(await store.claim(2)) == ["b", "a"]


async def test_a_released_job_keeps_its_priority(store: Bench) -> None:
    claim = await _claimed(store, priority=8)
    await store.settle("release", claim)
    assert await store.where("a") == ["ready:8"]


@pytest.mark.parametrize("kind", ["retry", "bury", "snooze", "cancel", "release"])
async def test_every_run_that_did_not_complete_leaves_one_line(store: Bench, kind: str) -> None:
    claim = await _claimed(store)
    await store.settle(kind, claim, delay_ms=5, detail=ERROR)
    lines = (await store.views.get("mail", "a")).attempts
    assert [(a.outcome, a.attempt, a.token) for a in lines] == [(kind, 1, 1)]


async def test_history_keeps_the_newest_twenty_lines(store: Bench) -> None:
    await store.add("a")
    for _ in range(25):
        await store.settle("retry", *await store.claim(), detail=b'{"type":"E"}')
    attempts = (await store.views.get("mail", "a")).attempts
    assert [a.attempt for a in attempts] == list(range(6, 26))


async def test_history_keeps_at_most_64_kib_the_newest(store: Bench) -> None:
    await store.add("a")
    for _ in range(5):
        await store.settle("retry", *await store.claim(), detail=b'{"message":"%b"}' % (b"x" * 20_000))
    raw = (await store.dump())["history"]["a"]
    assert len(raw) <= 65_536
    assert [a.attempt for a in (await store.views.get("mail", "a")).attempts] == [3, 4, 5]


async def test_different_outcomes_may_be_handed_in_together(store: Bench) -> None:
    await store.add(*"abcdef")
    a, b, c, d, e, f = await store.claim(6)
    others = []
    for kind, claim in [("retry", c), ("bury", d), ("cancel", e), ("snooze", f)]:
        others += [kind, claim.id, claim.token, 100, b"{}"]
    answer = await store.exchange(completed=[a.id, a.token, b"1", b.id, b.token, b""], others=others)
    assert answer.stale == []
    assert await store.states() == {
        "completed": {"a": T0, "b": T0},
        "retrying": {"c": T0 + 100},
        "dead": {"d": T0},
        "cancelled": {"e": T0},
        "scheduled": {"f": T0 + 100},
    }


async def test_a_result_of_a_retried_job_is_that_of_the_run_that_completed(store: Bench) -> None:
    claim = await _claimed(store)
    await store.settle("retry", claim)
    await store.complete(*await store.claim(), result=b'"second"')
    record = await store.views.get("mail", "a")
    assert (record.state, record.result, record.run.attempt) == (JobState.COMPLETED, b'"second"', 2)


async def test_settling_one_job_leaves_the_others_alone(store: Bench) -> None:
    await store.add("a", "b")
    a, _ = await store.claim(2)
    before = await store.dump()
    await store.complete(a)
    after = await store.dump()
    assert after["running"] == {"b": T0 + LEASE}
    assert after["runs"] == before["runs"]
    assert after["jobs"] == before["jobs"]
