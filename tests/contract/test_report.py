"""What running jobs report: the newest progress, and the newest lines, as long as the job is there."""

from __future__ import annotations

import orjson
import pytest

from nexq.errors import NexqError
from nexq.journal import Report
from tests.contract.bench import LEASE, T0, Bench


def _lines(*numbers: int) -> list[bytes]:
    return [orjson.dumps({"at_ms": 1, "level": "info", "text": f"line {n}", "attempt": 1}) for n in numbers]


async def _report(store: Bench, id: str, token: int, progress: str = "", lines: list[bytes] | None = None) -> list[str]:
    report = Report(progress.encode(), lines or [])
    return [id.decode() for id in await store.moves.report("mail", [(id.encode(), token, report)])]


async def test_a_job_that_reported_nothing_has_an_empty_journal(store: Bench) -> None:
    await store.add("a")
    reported = await store.views.journal("mail", "a")
    assert (reported.total, reported.progress, reported.lines) == (0, None, ())


async def test_the_newest_progress_counts_and_lines_are_numbered(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    assert await _report(store, "a", a.token, "0.2500 first words") == []
    store.at(500)
    assert await _report(store, "a", a.token, lines=_lines(1, 2)) == []
    assert await _report(store, "a", a.token, "1.0000 ", _lines(3)) == []
    reported = await store.views.journal("mail", "a")
    assert reported.progress == {"at_ms": T0 + 500, "fraction": 1.0, "text": ""}
    assert [(line["n"], line["text"]) for line in reported.lines] == [(1, "line 1"), (2, "line 2"), (3, "line 3")]
    assert reported.total == 3


async def test_the_newest_lines_are_kept(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    for start in range(0, 250, 50):
        await _report(store, "a", a.token, lines=_lines(*range(start + 1, start + 51)))
    reported = await store.views.journal("mail", "a")
    assert (reported.total, len(reported.lines), reported.lines[0]["n"]) == (250, 200, 51)
    assert reported.lines[-1]["text"] == "line 250"
    long = orjson.dumps({"text": "x" * 10_000})
    await _report(store, "a", a.token, "0.5000 t", [long] * 5)
    reported = await store.views.journal("mail", "a")
    assert (reported.total, len(reported.lines), reported.lines[-1]["n"]) == (255, 3, 255)


async def test_only_the_newest_claim_tells_progress_an_older_one_may_still_log(store: Bench) -> None:
    await store.add("a")
    (old,) = await store.claim()
    store.at(LEASE)
    (new,) = await store.claim(worker="w2")
    assert await _report(store, "a", old.token, "0.9000 stale") == ["a"]
    assert await _report(store, "a", old.token, "0.9000 stale", _lines(1)) == []
    assert await _report(store, "a", new.token + 1, "0.1000 made up", _lines(2)) == ["a"]
    reported = await store.views.journal("mail", "a")
    assert (reported.progress, reported.total) == (None, 1)


async def test_last_lines_are_taken_after_the_outcome(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    await store.complete(a)
    assert await _report(store, "a", a.token, "1.0000 ", _lines(1)) == []
    assert (await store.views.journal("mail", "a")).total == 1


@pytest.mark.parametrize("how", ["delete", "purge", "prune"])
async def test_a_journal_goes_with_its_job(store: Bench, how: str) -> None:
    await store.add("a")
    (a,) = await store.claim()
    await _report(store, "a", a.token, "0.5000 x", _lines(1))
    await store.complete(a)
    if how == "delete":
        await store.moves.delete("mail", "a")
    elif how == "purge":
        from nexq.states import JobState

        await store.moves.purge("mail", JobState.COMPLETED)
    else:
        await store.moves.tidy("mail", "0 0 0 0 0")
    assert "journal" not in await store.dump()
    assert await _report(store, "a", a.token, "0.5000 x") == ["a"]
    assert "journal" not in await store.dump()


async def test_listeners_are_told_of_a_report(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    at = await store.moves.listen("mail", 60)
    await _report(store, "a", a.token, "0.5000 x")
    _, events = await store.views.follow("mail", at)
    assert [(event.what, event.ids) for event in events] == [("journal", ("a",))]


@pytest.mark.parametrize("progress", ["x", "2 x", "0.5", "0.5 a\nb", "-1 x", "nan x"])
async def test_a_bad_progress_is_refused(store: Bench, progress: str) -> None:
    await store.add("a")
    (a,) = await store.claim()
    with pytest.raises(NexqError):
        await _report(store, "a", a.token, progress)


async def test_too_many_reports_are_refused(store: Bench) -> None:
    with pytest.raises(NexqError):
        await store.moves.report("mail", [(b"a", 1, Report(b"0.1 x", []))] * 101)
