"""Retry: how often, after what wait, on which errors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexq.backoff import Backoff, exponential
from nexq.errors import ConfigError, InvalidJob
from nexq.retry import Retry


def test_waits_grow_by_the_factor_up_to_the_cap() -> None:
    retry = Retry(max_attempts=7, base=2, factor=3.0, cap=60, jitter=False)
    assert retry.waits_s() == [2.0, 6.0, 18.0, 54.0, 60.0, 60.0]


def test_one_attempt_means_never_again() -> None:
    retry = Retry(max_attempts=1)
    assert retry.waits_s() == []
    assert not retry.allows(ValueError(), 1)


@given(st.integers(1, 10_000), st.floats(0, 1e6), st.floats(1, 1e6), st.floats(0, 1e6))
def test_a_wait_is_never_negative_nor_over_the_cap(attempt: int, base: float, factor: float, cap: float) -> None:
    retry = Retry(base=base, factor=factor, cap=cap)
    step = exponential(attempt, base, factor, cap)
    assert 0 <= step / 2 <= retry.wait_s(attempt) <= max(step, step / 2) <= cap


def test_jitter_spreads_over_the_upper_half_of_the_step() -> None:
    waits = [Retry(base=10.0).wait_s(1) for _ in range(2000)]
    assert 5 <= min(waits) < 5.5
    assert 9.5 < max(waits) <= 10


def test_durations_may_be_timedeltas() -> None:
    assert Retry(base=timedelta(minutes=1), cap=timedelta(minutes=2), jitter=False).waits_s() == [60, 120, 120, 120]


def test_the_last_attempt_is_not_retried() -> None:
    retry = Retry(max_attempts=3)
    assert [retry.allows(ValueError(), n) for n in (1, 2, 3, 4)] == [True, True, False, False]
    assert retry.allows(ValueError(), 3, max_attempts=5)
    assert not retry.allows(ValueError(), 1, max_attempts=1)


def test_only_the_errors_named_are_retried_and_never_the_excepted() -> None:
    retry = Retry(on=(OSError, KeyError), except_=(FileNotFoundError,))
    assert retry.allows(ConnectionError(), 1)
    assert retry.allows(KeyError(), 1)
    assert not retry.allows(ValueError(), 1)
    assert not retry.allows(FileNotFoundError(), 1)


def test_by_default_every_exception_is_retried_but_not_what_ends_a_process() -> None:
    assert Retry().allows(RuntimeError(), 1)
    assert not Retry().allows(KeyboardInterrupt(), 1)


def test_a_single_class_may_be_given_without_a_tuple() -> None:
    retry = Retry(on=OSError, except_=KeyError)  # type: ignore[arg-type]
    assert (retry.on, retry.except_) == ((OSError,), (KeyError,))


@pytest.mark.parametrize(
    "bad",
    [
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"max_attempts": 10**9},
        {"base": -1},
        {"base": float("nan")},
        {"cap": "x"},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"on": ("ValueError",)},
        {"except_": (1,)},
    ],
)
def test_a_setting_that_cannot_be_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises((ConfigError, InvalidJob)):
        Retry(**bad)


def test_a_backoff_grows_and_starts_anew_after_a_success() -> None:
    backoff = Backoff(0.01, 1.0)
    waits = [backoff.next_s() for _ in range(20)]
    assert 0.005 <= waits[0] <= 0.01
    assert 0.5 <= waits[-1] <= 1.0
    backoff.reset()
    assert backoff.next_s() <= 0.01


def test_an_endless_number_of_attempts_does_not_overflow() -> None:
    assert exponential(100_000, 1.0, 10.0, 300.0) == 300.0
