"""The checker of histories: good ones pass, and each rule has one that breaks it and nothing else can excuse."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.history import Final, HistoryLog, Verdict, check_history, read_history
from tests.support.waiting import until_sync

Event = dict[str, Any]


def events(*lines: str) -> list[Event]:
    """Events from 'proc op job phase [token] [name=value ...]', one time unit apart."""
    out = []
    for t, line in enumerate(lines):
        proc, op, job, phase, *rest = line.split()
        event: Event = {"t": float(t), "proc": proc, "op": op, "job": job, "phase": phase}
        for word in rest:
            name, _, value = word.rpartition("=")
            event[name or "token"] = value if name in ("kind", "key", "queue") else float(value) if name else int(value)
        out.append(event)
    return out


def check(*lines: str, finals: list[Final]) -> Verdict:
    """The verdict on such a history."""
    return check_history(events(*lines), finals)


ENQUEUE = ("p enqueue j call", "p enqueue j ok")
RUN = ("w1 claim j ok 1", "w1 run j call 1", "w1 settle j call 1", "w1 settle j ok 1")
DONE = Final("j", "completed", 1, 1)


def test_a_plain_life() -> None:
    verdict = check(*ENQUEUE, *RUN, finals=[DONE])
    assert verdict.breaches == []
    assert (verdict.attempted, verdict.acked, verdict.lost, verdict.unknown) == (1, 1, 0, 0)


def test_a_zombie_that_is_refused_is_well() -> None:
    verdict = check(
        *ENQUEUE,
        "w1 claim j ok 1",
        "w1 run j call 1",
        "w2 claim j ok 2",
        "w2 run j call 2",
        "w1 settle j call 1",
        "w1 settle j fail 1",
        "w2 settle j call 2",
        "w2 settle j ok 2",
        finals=[Final("j", "completed", 2, 2)],
    )
    assert verdict.breaches == []


def test_a_retry_then_a_completion() -> None:
    verdict = check(
        *ENQUEUE,
        "w1 claim j ok 1",
        "w1 run j call 1",
        "w1 settle j call 1 kind=retry",
        "w1 settle j ok 1 kind=retry",
        "w2 claim j ok 2",
        "w2 run j call 2",
        "w2 settle j call 2 kind=complete",
        "w2 settle j ok 2 kind=complete",
        finals=[Final("j", "completed", 2, 2)],
    )
    assert verdict.breaches == []


@pytest.mark.parametrize("last", ["w1 settle j unknown 1", None])
def test_a_completion_whose_answer_was_lost(last: str | None) -> None:
    lines = [*ENQUEUE, *RUN[:3], *([last] if last else [])]
    assert check(*lines, finals=[DONE]).breaches == []


def test_unknown_enqueues_may_be_there_or_not() -> None:
    verdict = check(
        "p enqueue a call",
        "p enqueue a unknown",
        "p enqueue b call",
        "p enqueue b unknown",
        "p enqueue c call",
        finals=[Final("a", "cancelled")],
    )
    assert verdict.breaches == []
    assert (verdict.attempted, verdict.unknown, verdict.recovered) == (3, 3, 1)


def test_an_unknown_that_was_repeated_and_acked() -> None:
    verdict = check("p enqueue j call", "p enqueue j unknown", *ENQUEUE, *RUN, finals=[DONE])
    assert verdict.breaches == []
    assert (verdict.attempted, verdict.acked, verdict.unknown) == (1, 1, 0)


BROKEN: dict[str, tuple[str, list[str], list[Final]]] = {
    "lost": ("H1", [*ENQUEUE], []),
    "never ended": ("H1", [*ENQUEUE], [Final("j", "ready")]),
    "in two states": ("H1", [*ENQUEUE, *RUN], [DONE, Final("j", "dead", 1, 1)]),
    "twice from one submission": (
        "H2",
        ["p enqueue j call key=k", "p enqueue j unknown key=k", "p enqueue i call key=k", "p enqueue i ok key=k"],
        [Final("i", "cancelled"), Final("j", "cancelled")],
    ),
    "twice by an unknown": ("H2", ["p enqueue j call", "p enqueue j unknown"], [Final("j", "dead")] * 2),
    "from nowhere": ("H3", [], [Final("j", "cancelled")]),
    "failed, yet there": ("H3", ["p enqueue j call", "p enqueue j fail"], [Final("j", "cancelled")]),
    "one token, two workers": ("H4", [*ENQUEUE, *RUN, "w2 claim j ok 1"], [DONE]),
    "one token, two jobs": (
        "H4",
        [*ENQUEUE, *RUN, "p enqueue i call", "p enqueue i ok", "w1 claim i ok 1"],
        [DONE, Final("i", "cancelled", 1, 1)],
    ),
    # No fence: the zombie's settle is taken for the new owner's. Counting acks sees one ack, and all is well.
    "accepted on another's behalf": (
        "H5",
        [
            *ENQUEUE,
            "w1 claim j ok 1",
            "w1 run j call 1",
            "w2 claim j ok 2",
            "w2 run j call 2",
            "w1 settle j call 1",
            "w1 settle j ok 1",
            "w2 settle j call 2",
            "w2 settle j fail 2",
        ],
        [Final("j", "completed", 2, 2)],
    ),
    "completed under an old token": (
        "H5",
        [*ENQUEUE, *RUN[:3], "w2 claim j ok 2", "w1 settle j ok 1"],
        [Final("j", "completed", 1, 2)],
    ),
    "an old token retries": (
        "H5",
        [
            *ENQUEUE,
            "w1 claim j ok 1",
            "w2 claim j ok 2",
            "w1 settle j call 1 kind=retry",
            "w1 settle j ok 1 kind=retry",
        ],
        [Final("j", "dead", 2, 2)],
    ),
    "settled by one who did not claim": (
        "H5",
        [*ENQUEUE, "w1 claim j ok 1", "w2 settle j call 1", "w2 settle j ok 1"],
        [DONE],
    ),
    "completed, and its worker was refused": (
        "H5",
        [*ENQUEUE, *RUN[:3], "w1 settle j fail 1"],
        [DONE],
    ),
    "completed, and nobody settled": ("H5", [*ENQUEUE, *RUN[:2]], [DONE]),
    "two completions": ("H5", [*ENQUEUE, *RUN, "w2 claim j ok 2", "w2 settle j ok 2"], [Final("j", "completed", 2, 2)]),
    "ran more often than delivered": (
        "H7",
        [*ENQUEUE, *RUN, "w1 claim j ok 2", "w1 run j call 2"],
        [Final("j", "dead", 2, 1)],
    ),
    "ran without a claim": ("H7", [*ENQUEUE, *RUN, "w2 run j call 7"], [Final("j", "completed", 1, 2)]),
    "ran twice under a token": ("H7", [*ENQUEUE, *RUN, "w1 run j call 1"], [Final("j", "completed", 1, 2)]),
    "ran too early": (
        "H8",
        ["p enqueue j call run_at=500", "p enqueue j ok run_at=500", *RUN[:1], "w1 run j call 1 at_ms=499", *RUN[2:]],
        [DONE],
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_each_rule_is_broken_by(name: str) -> None:
    rule, lines, finals = BROKEN[name]
    verdict = check(*lines, finals=finals)
    assert rule in verdict.rules, str(verdict)
    expected = {rule} | ({"H2"} if name == "in two states" else set()) | ({"H1"} if rule == "H2" else set())
    assert verdict.rules <= expected, str(verdict)


def test_every_rule_has_a_history_that_breaks_it() -> None:
    assert {rule for rule, _, _ in BROKEN.values()} == {"H1", "H2", "H3", "H4", "H5", "H7", "H8"}


def test_the_words_of_the_report() -> None:
    verdict = check(
        *("p enqueue a call", "p enqueue a ok"),
        *("p enqueue b call", "p enqueue b ok"),
        *("p enqueue c call", "p enqueue c unknown"),
        finals=[Final("b", "cancelled"), Final("b", "dead"), Final("c", "cancelled"), Final("x", "cancelled")],
    )
    assert str(verdict).splitlines()[:2] == [
        "attempted 3, acked 2, lost 1, unexpected 1, duplicated 1, recovered 1, unknown 1",
        "4 breaches",
    ]


def test_some_skew_of_clocks_may_be_allowed() -> None:
    _, lines, finals = BROKEN["ran too early"]
    assert check_history(events(*lines), finals, skew_ms=5).breaches == []


def test_the_log_survives_a_sigkill(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib, itertools\n"
        "from tests.support.history import HistoryLog\n"
        "log = HistoryLog(pathlib.Path(sys.argv[1]), 'p')\n"
        "for n in itertools.count():\n"
        "    log.write('claim', f'j{n}', token=n)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "PYTHONPATH": "."})
    path = tmp_path / "p.jsonl"
    until_sync(lambda: path.exists() and path.stat().st_size > 100_000, 20, "some history")
    child.send_signal(signal.SIGKILL)
    child.wait()
    tokens = [e["token"] for e in read_history(tmp_path)]
    assert tokens == list(range(len(tokens))) and len(tokens) > 500
    assert path.read_bytes().endswith(b"\n")


def test_files_of_many_processes_are_one_history(tmp_path: Path) -> None:
    logs = [HistoryLog(tmp_path, f"p{i}") for i in range(3)]
    for n in range(30):
        logs[n % 3].write("enqueue", f"j{n}", "call", run_at=n)
    for log in logs:
        log.close()
    with (tmp_path / "p0.jsonl").open("ab") as file:
        file.write(b'{"torn')
    history = read_history(tmp_path)
    assert [e["job"] for e in history] == [f"j{n}" for n in range(30)]


def test_a_hundred_thousand_events_take_little_time() -> None:
    import time

    lines: list[Event] = []
    finals = []
    for n in range(20_000):
        for line in (*ENQUEUE, *RUN):
            event = events(line)[0]
            event["job"], event["t"] = f"j{n}", float(len(lines))
            if "token" in event:
                event["token"] = n + 1
            lines.append(event)
        finals.append(Final(f"j{n}", "completed", n + 1, 1))
    start = time.monotonic()
    assert check_history(lines, finals).breaches == []
    assert time.monotonic() - start < 5
