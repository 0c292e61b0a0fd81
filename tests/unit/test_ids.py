"""Ids: short, URL-safe, in the order of their making, also over threads and forks."""

from __future__ import annotations

import itertools
import os
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexq.ids import ID_LENGTH, IdMaker, decode7, encode7, new_id
from nexq.keys import check_id


@given(st.integers(0, 62**7 - 1))
def test_a_number_comes_back(value: int) -> None:
    text = encode7(value)
    assert len(text) == 7
    assert text.isascii() and text.isalnum()
    assert decode7(text) == value


@given(st.integers(0, 62**7 - 1), st.integers(0, 62**7 - 1))
def test_texts_sort_as_their_numbers(a: int, b: int) -> None:
    assert (encode7(a) < encode7(b)) == (a < b)


def test_a_letter_that_is_no_digit_is_refused() -> None:
    with pytest.raises(KeyError):
        decode7("abc-def")


def test_ids_rise_strictly_and_are_allowed_names() -> None:
    made = [new_id() for _ in range(20_000)]
    assert all(a < b for a, b in itertools.pairwise(made))
    assert {len(id) for id in made} == {ID_LENGTH}
    assert check_id(made[0]) == made[0]


def test_an_id_tells_when_it_was_made() -> None:
    before = int(time.time() * 1000)
    stamp = decode7(IdMaker()()[:7])
    assert before <= stamp <= int(time.time() * 1000)


def test_a_clock_that_steps_back_makes_no_id_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = IdMaker()
    clock = iter([10_000, 9_000, 9_999, 10_001])
    monkeypatch.setattr("nexq.ids.time.time_ns", lambda: next(clock) * 1_000_000)
    made = [maker() for _ in range(4)]
    assert made == sorted(set(made))
    assert [decode7(id[:7]) for id in made] == [10_000, 10_000, 10_000, 10_001]


def test_a_millisecond_that_runs_over_goes_into_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    maker = IdMaker()
    monkeypatch.setattr("nexq.ids.time.time_ns", lambda: 10_000_000_000)
    first = maker()
    maker._random = 62**7 - 1
    maker._split()
    second = maker()
    assert first < second
    assert decode7(second[:7]) == 10_001


def test_threads_never_get_the_same_id() -> None:
    made: list[str] = []

    def work() -> None:
        mine = [new_id() for _ in range(5_000)]
        assert mine == sorted(mine)
        made.extend(mine)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 20_000


def test_a_forked_child_does_not_go_on_counting_where_its_parent_was() -> None:
    maker = IdMaker()
    maker()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(write, b"\n".join(maker().encode() for _ in range(50)))
        os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        child = set(pipe.read().decode().split("\n"))
    os.waitpid(pid, 0)
    assert not child & {maker() for _ in range(50)}
