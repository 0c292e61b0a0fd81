"""The job as data: what is packed comes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexq.ids import encode7
from nexq.job import Attempt, JobRecord, Run, Spec
from nexq.states import JobState

types = st.text(st.characters(exclude_characters="\n", codec="utf-8"), min_size=1, max_size=20)
options = st.dictionaries(st.text(max_size=5), st.integers(-(2**63), 2**63) | st.text(max_size=5), max_size=3)


@given(types, st.binary(max_size=50), st.integers(0, 9), st.integers(0, 9), types | st.just(""), options)
def test_a_spec_comes_back_whatever_is_in_it(
    type: str, payload: bytes, priority: int, max_lost: int, unique: str, options: dict[str, object]
) -> None:
    spec = Spec(type, payload, priority, max_lost, unique, options, 1_234_567)
    assert Spec.unpack(encode7(1_234_567).encode() + spec.pack()) == spec


def test_a_plain_spec_is_nothing_but_head_type_and_payload() -> None:
    assert Spec("t", b"{}").pack() == b"53t\n{}"
    assert Spec("t", b"{}", 9, 0, "k").pack() == b"9at\nk\n\n{}"
    assert Spec("t", b"{}", 0, 9, "", {"a": 1}).pack() == b'0jt\n\n{"a":1}\n{}'


def test_a_run_comes_back() -> None:
    assert Run.unpack(b"12 2 3 1 1700000000000 host:7:ab") == Run(12, 2, 3, 1, 1700000000000, "host:7:ab")
    assert Run.unpack(None) == Run.unpack(b"") == Run()


def test_a_line_of_the_history_comes_back() -> None:
    line = b'retry 2 12 100 200 w1 {"type":"E","message":"a b"}'
    assert Attempt.unpack(line) == Attempt("retry", 2, 12, 100, 200, "w1", {"type": "E", "message": "a b"})
    assert Attempt.unpack(b"release 0 12 100 200 w1 ").error == {}


def _record(state: JobState, **more: object) -> JobRecord:
    spec = Spec("t", b'{"a":[1]}', unique="k", enqueued_ms=5)
    return JobRecord("j1", "mail", state, 99.5, spec, Run(1, 1, 2, 1, 7, "w1"), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("state", JobState)
def test_a_record_shows_the_time_that_its_state_is_about(state: JobState) -> None:
    shown = _record(state).as_dict()
    names = {"due_ms", "lease_until_ms", "ended_ms"} & set(shown)
    expected = {"scheduled": {"due_ms"}, "retrying": {"due_ms"}, "running": {"lease_until_ms"}}
    assert names == expected.get(state.value, {"ended_ms"} if state.ended else set())
    assert shown["payload"] == {"a": [1]}
    assert (shown["unique"], shown["worker"], shown["error"], shown["result"]) == ("k", "w1", None, None)


def test_the_last_error_is_the_newest_lines() -> None:
    old = Attempt("retry", 1, 1, 1, 2, "w", {"type": "Old", "message": "x"})
    new = Attempt("bury", 2, 2, 3, 4, "w", {"type": "New"})
    assert _record(JobState.DEAD, attempts=(old, new)).last_error == "New"
    assert _record(JobState.DEAD, attempts=(old,)).last_error == "Old: x"
    assert _record(JobState.DEAD).last_error == ""


def test_integers_of_any_size_come_back() -> None:
    spec = Spec("t", b'{"n":123456789012345678901234567890}')
    record = JobRecord("j", "q", JobState.READY, 0, spec, Run(), result=b"99999999999999999999")
    assert record.payload == {"n": 123456789012345678901234567890}
    assert record.as_dict()["result"] == 99999999999999999999
