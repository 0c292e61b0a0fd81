"""Searching a state: by type, tags, worker, text and the fingerprint of the last error, slice by slice."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from nexq.errors import NexqError
from nexq.states import JobState
from nexq.store import Wanted
from nexq.store.search import SLICE
from tests.contract.bench import Bench


async def _search(store: Bench, state: JobState = JobState.READY, most: int = 1000, **wanted: Any) -> list[str]:
    """All ids that fit, from slice to slice."""
    found: list[str] = []
    after: tuple[str, str] | None = ("", "")
    priority = 5 if state is JobState.READY else None
    while after is not None:
        slice = await store.views.search("mail", state, Wanted(**wanted), most=most, after=after, priority=priority)
        assert len(slice.pairs) <= most and slice.looked <= SLICE
        found += [id for id, _ in slice.pairs]
        after = slice.after
    return found


async def _bury(store: Bench, id: str, kind: str, message: str, **more: Any) -> None:
    await store.add(id, **more)
    detail = orjson.dumps({"type": kind, "message": message, "traceback": "File x, line 3"})
    await store.settle("bury", *await store.claim(), detail=detail)


async def test_by_type(store: Bench) -> None:
    await store.add("a", "b", type="send")
    await store.add("c", type="sender")
    assert await _search(store, type="send") == ["b", "a"]
    assert await _search(store, type="sen") == []


async def test_by_tags_all_of_them(store: Bench) -> None:
    await store.add("a", options={"tags": ["eu", "big"], "timeout_s": 3})
    await store.add("b", options={"tags": ["eu"]})
    await store.add("c", options={"x": "eu"})
    await store.add("d", payload=b'{"tags":["eu"]}')
    assert await _search(store, tags=("eu",)) == ["b", "a"]
    assert await _search(store, tags=("big", "eu")) == ["a"]
    assert await _search(store, tags=("e",)) == []


async def test_by_text_in_any_case_wherever_it_stands(store: Bench) -> None:
    await store.add("abc-id", payload=b'{"to":"Ann \\"A\\" <ann@x>"}')
    await store.add("b", type="Abcd")
    await store.add("c", payload=b"null", unique="k")
    assert set(await _search(store, text="ABC")) == {"abc-id", "b"}
    assert await _search(store, text='ann "a"') == ["abc-id"]
    assert await _search(store, text='"to":"ann') == ["abc-id"]
    assert await _search(store, text="%d") == []


async def test_by_text_of_the_last_error(store: Bench) -> None:
    await _bury(store, "a", "ValueError", 'no "such" thing')
    await _bury(store, "b", "KeyError", "other")
    assert await _search(store, JobState.DEAD, text='NO "such"') == ["a"]
    assert await _search(store, JobState.DEAD, text="keyerror") == ["b"]


async def test_by_worker(store: Bench) -> None:
    await store.add("a", "b", "c")
    await store.claim(1, worker="w1")
    await store.claim(1, worker="w 10")
    assert await _search(store, JobState.RUNNING, worker="w1") == ["a"]
    assert await _search(store, JobState.RUNNING, worker="w 10") == ["b"]
    assert await _search(store, worker="w1") == []


async def test_slices_follow_each_other_without_gap_or_repeat(store: Bench) -> None:
    count = 2 * SLICE + 10
    for start in range(0, count, 250):
        await store.add(*(f"j{n:05}" for n in range(start, min(start + 250, count))))
    await store.add("other", type="rare")
    assert await _search(store, type="rare") == ["other"]
    assert await _search(store, type="t") == [f"j{n:05}" for n in reversed(range(count))]
    assert await _search(store, most=7, text="j0000") == [f"j{n:05}" for n in reversed(range(10))]


async def test_a_search_goes_on_where_it_ended_also_when_that_job_has_left(store: Bench) -> None:
    await store.add(*(f"j{n}" for n in range(6)))
    first = await store.views.search("mail", JobState.READY, Wanted(type="t"), most=2, newest=False, priority=5)
    await store.moves.delete("mail", first.pairs[-1][0])
    assert first.after is not None
    second = await store.views.search(
        "mail", JobState.READY, Wanted(type="t"), most=2, newest=False, after=first.after, priority=5
    )
    assert [id for id, _ in second.pairs] == ["j2", "j3"]


async def test_large_specs_make_small_slices(store: Bench) -> None:
    await store.add(*(f"j{n:03}" for n in range(60)), payload=b'"' + b"x" * 60_000 + b'"')
    found = await store.views.search("mail", JobState.READY, Wanted(type="none"), most=10, priority=5)
    assert found.looked < 60 and found.after is not None
    assert await _search(store, type="none") == []


@pytest.mark.parametrize("most", [0, 1001])
async def test_bad_limits_are_refused(store: Bench, most: int) -> None:
    with pytest.raises(NexqError):
        await store.views.search("mail", JobState.READY, Wanted(), most=most, priority=5)
