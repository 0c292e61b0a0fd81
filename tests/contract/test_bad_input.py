"""Bad input is refused before the first write: the state after is the state before."""

from __future__ import annotations

from typing import Any

import pytest

from nexq.errors import InvalidJob, NexqError
from nexq.states import JobState
from nexq.store import Entry
from nexq.store.moves import TOMB_MS
from tests.contract.bench import LEASE, Bench

GOOD = b"53t\n{}"
KEEP = f"0 0 0 0 {TOMB_MS}"


async def _busy(store: Bench) -> dict[str, Any]:
    """A queue in which everything could go wrong: ended, running, due and expired jobs. Returns its dump."""
    await store.to_state("done", "completed", result=b"1")
    await store.to_state("due", "scheduled")
    await store.to_state("late", "running", unique="k")
    await store.to_state("again", "retrying")
    await store.add("wait")
    store.at(LEASE)
    return await store.dump()


@pytest.mark.parametrize(
    "delay", ["x", "nan", "-1", "inf", "1e16", "@", "@x", "@nan", "@-5", "@9e15", " ", "1 2", "--1"]
)
@pytest.mark.parametrize("place", [0, 1])
async def test_a_bad_delay_refuses_the_whole_batch(store: Bench, delay: str, place: int) -> None:
    before = await _busy(store)
    entries = [Entry("new1", GOOD), Entry("new2", GOOD)]
    entries[place] = entries[place]._replace(delay=delay)
    with pytest.raises(InvalidJob, match=f"Entry {place} has a bad delay_ms"):
        await store.moves.enqueue("mail", entries)
    assert await store.dump() == before


@pytest.mark.parametrize("spec", [b"", b"t\n{}", b"5t\n{}", b"53t", b"x3t\n{}", b"5kt\n{}", b"5 t\n{}", b"\n\n\n"])
async def test_a_bad_spec_refuses_the_whole_batch(store: Bench, spec: bytes) -> None:
    before = await _busy(store)
    with pytest.raises(InvalidJob, match="Entry 1 has a bad spec"):
        await store.moves.enqueue("mail", [Entry("new1", GOOD), Entry("new2", spec)])
    assert await store.dump() == before


async def test_a_spec_that_lacks_the_lines_its_mark_promises_is_refused(store: Bench) -> None:
    before = await _busy(store)
    with pytest.raises(InvalidJob):
        await store.moves.enqueue("mail", [Entry("new", b"5dt\nkey\n")])
    assert await store.dump() == before


async def test_a_batch_over_a_thousand_is_refused(store: Bench) -> None:
    before = await _busy(store)
    with pytest.raises(InvalidJob):
        await store.moves.enqueue("mail", [Entry(f"n{i}", GOOD) for i in range(1001)])
    assert await store.dump() == before


@pytest.mark.parametrize("limit", [1001, 1e9, "nan", "x", "1.5"])
async def test_an_exchange_with_a_bad_limit_is_refused(store: Bench, limit: Any) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.exchange(limit=limit)
    assert await store.dump() == before


@pytest.mark.parametrize("slice", [1001, -1, "nan", "x", "1.5"])
async def test_an_exchange_with_a_bad_slice_is_refused(store: Bench, slice: Any) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.exchange(limit=1, slice=slice, tidy=True, keep=KEEP)
    assert await store.dump() == before


@pytest.mark.parametrize("lease", ["nan", "inf", "x", "-1", "1e300"])
async def test_an_exchange_with_a_bad_lease_is_refused(store: Bench, lease: Any) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.exchange(limit=1, lease_ms=lease)
    assert await store.dump() == before


@pytest.mark.parametrize("keep", ["1 2 3", "-1 0 0 0 0", "inf 0 0 0 0", "a b c d e", "1.5 0 0 0 0"])
async def test_an_exchange_with_a_bad_retention_rule_is_refused(store: Bench, keep: str) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.exchange(completed=[b"late", 2, b""], keep=keep)
    assert await store.dump() == before


async def test_an_exchange_with_too_many_outcomes_is_refused(store: Bench) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.exchange(completed=[b"x", 1, b""] * 600, others=["retry", "x", 1, 0, b"{}"] * 401)
    assert await store.dump() == before


@pytest.mark.parametrize("others", [["retry", "late", 2, 0], ["retry", "late"], ["retry", "late", 2, 0, "{}", "bury"]])
async def test_an_exchange_with_an_incomplete_outcome_is_refused(store: Bench, others: list[Any]) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.exchange(others=others)
    assert await store.dump() == before


@pytest.mark.parametrize(
    ("kind", "delay"),
    [
        ("explode", 0),
        ("", 0),
        ("complete", 0),
        *((k, d) for k in ("retry", "snooze") for d in ("x", "nan", "-1", "inf", "1e300")),
    ],
)
async def test_an_outcome_that_makes_no_sense_is_not_settled(store: Bench, kind: str, delay: Any) -> None:
    """Whether the call is refused or the outcome named as stale: the job goes on running."""
    await store.add("a")
    await store.claim()
    before = await store.dump()
    try:
        answer = await store.exchange(others=[kind, "a", 1, delay, b"{}"])
        assert answer.stale == [b"a"]
    except NexqError:
        pass
    assert await store.dump() == before


@pytest.mark.parametrize("lease", ["nan", "inf", "x", "-1", "1e300"])
async def test_an_extension_by_a_bad_lease_is_refused(store: Bench, lease: Any) -> None:
    await store.add("a")
    (a,) = await store.claim()
    before = await store.dump()
    with pytest.raises(NexqError):
        await store.moves.extend("mail", [(a.id, a.token)], lease)
    assert await store.dump() == before


@pytest.mark.parametrize("priority", [-1, 10, 55])
async def test_a_priority_out_of_range_is_refused(store: Bench, priority: int) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.moves.reprioritize("mail", "wait", priority)
    assert await store.dump() == before


@pytest.mark.parametrize("limit", [0, -1, 1001, "x", "nan", "1.5"])
async def test_a_purge_with_a_bad_limit_is_refused(store: Bench, limit: Any) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.moves.purge("mail", JobState.READY, limit)
    assert await store.dump() == before


async def test_running_jobs_cannot_be_purged(store: Bench) -> None:
    before = await _busy(store)
    with pytest.raises(InvalidJob):
        await store.moves.purge("mail", JobState.RUNNING)
    assert await store.dump() == before


@pytest.mark.parametrize("slice", [1001, -1, "x", "nan", "1.5"])
async def test_tidying_with_a_bad_slice_is_refused(store: Bench, slice: Any) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.moves.tidy("mail", KEEP, slice=slice)
    assert await store.dump() == before


@pytest.mark.parametrize("keep", ["1 2 3", "-1 0 0 0 0", "inf 0 0 0 0"])
async def test_tidying_with_a_bad_retention_rule_is_refused(store: Bench, keep: str) -> None:
    before = await _busy(store)
    with pytest.raises(NexqError):
        await store.moves.tidy("mail", keep)
    assert await store.dump() == before
