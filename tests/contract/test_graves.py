"""Dead jobs grouped by what they died of, and brought back at a time of one's choice."""

from __future__ import annotations

import orjson
import pytest

from nexq.errors import NexqError
from nexq.states import JobState
from nexq.store import Grave, Wanted
from tests.contract.bench import T0, Bench


async def _bury(store: Bench, id: str, kind: str, message: str, **more: str) -> None:
    await store.add(id, **more)  # type: ignore[arg-type]
    detail = orjson.dumps({"type": kind, "message": message, "traceback": f"line {id}"})
    await store.settle("bury", *await store.claim(), detail=detail)


async def _graves(store: Bench) -> list[Grave]:
    looked, graves, after = await store.views.graves("mail")
    assert after is None and looked == sum(sum(grave.types.values()) for grave in graves)
    return graves


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout after 30 s", "timeout after 7.5 s"),
        ("no user 'ann'", "no user 'bob smith'"),
        ('no file "a.txt" here', 'no file "b c.txt" here'),
        ("at 0x7f3a10b0", "at 0x11"),
        ("job 550e8400-e29b-41d4-a716-446655440000 failed", "job 00000000-aaaa-bbbb-cccc-446655440000 failed"),
        ("first line\nanother", "first line\nelse"),
        ("", ""),
    ],
)
async def test_errors_that_differ_in_details_have_one_grave(store: Bench, one: str, other: str) -> None:
    await _bury(store, "a", "ValueError", one)
    store.at(500)
    await _bury(store, "b", "ValueError", other, type="u")
    (grave,) = await _graves(store)
    assert (grave.first_ms, grave.last_ms, grave.id) == (T0, T0 + 500, "b")
    assert grave.types == {"t": 1, "u": 1}
    assert len(grave.fingerprint) == 14


@pytest.mark.parametrize(
    ("one", "other"),
    [(("ValueError", "x"), ("KeyError", "x")), (("ValueError", "no such user"), ("ValueError", "no such file"))],
)
async def test_other_errors_have_other_graves(store: Bench, one: tuple[str, str], other: tuple[str, str]) -> None:
    await _bury(store, "a", *one)
    await _bury(store, "b", *other)
    assert len(await _graves(store)) == 2


async def test_a_job_that_died_without_an_error_has_a_grave_too(store: Bench) -> None:
    await store.add("a")
    await store.settle("bury", *await store.claim(), detail=b"")
    await store.plant("dead", "ghost", T0)
    (grave,) = (await store.views.graves("mail"))[1]
    assert grave.types == {"t": 1}


async def test_a_grave_can_be_searched_for(store: Bench) -> None:
    await _bury(store, "a", "ValueError", "no user 1")
    await _bury(store, "b", "ValueError", "no file 1")
    await _bury(store, "c", "ValueError", "no user 2")
    grave = next(grave for grave in await _graves(store) if grave.id == "c")
    found = await store.views.search("mail", JobState.DEAD, Wanted(fingerprint=grave.fingerprint), most=10)
    assert [id for id, _ in found.pairs] == ["c", "a"]


async def test_many_dead_are_looked_at_slice_by_slice(store: Bench) -> None:
    for start in range(0, 1500, 250):
        await store.add(*(f"j{n}" for n in range(start, start + 250)))
        claims = await store.claim(250)
        await store.settle("bury", *claims[:125], detail=b'{"type":"E","message":"one"}')
        await store.settle("bury", *claims[125:], detail=b'{"type":"E","message":"two"}')
    total, after = 0, ("", "")
    counts: dict[str, int] = {}
    while True:
        looked, graves, following = await store.views.graves("mail", after)
        total += looked
        for grave in graves:
            counts[grave.fingerprint] = counts.get(grave.fingerprint, 0) + sum(grave.types.values())
        if following is None:
            break
        after = following
    assert total == 1500 and sorted(counts.values()) == [750, 750]


async def test_a_job_revived_for_later_waits_until_then(store: Bench) -> None:
    for id in ("a", "b", "c"):
        await _bury(store, id, "E", "x")
    assert await store.moves.revive("mail", "a", T0 + 1000) == (True, JobState.SCHEDULED)
    assert await store.moves.revive("mail", "b", T0) == (True, JobState.READY)
    assert await store.moves.revive("mail", "c", T0 - 5) == (True, JobState.READY)
    assert await store.where("a") == ["scheduled"]
    assert {c.id for c in await store.claim(5)} == {b"b", b"c"}
    store.at(1000)
    (a,) = await store.claim(5)
    assert a.id == b"a" and a.counts.startswith(b"1 ")


@pytest.mark.parametrize("due", [float("nan"), float("inf"), -1.0])
async def test_a_bad_time_is_refused(store: Bench, due: float) -> None:
    await _bury(store, "a", "E", "x")
    with pytest.raises(NexqError):
        await store.moves.revive("mail", "a", due)
    assert await store.where("a") == ["dead"]
