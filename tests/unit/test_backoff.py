"""Waits that grow."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexq.backoff import Backoff, exponential, full_jitter

POSITIVE = st.floats(min_value=0.001, max_value=1e6)


@given(attempt=st.integers(1, 10**9), base=POSITIVE, factor=st.floats(1, 1e6), cap=POSITIVE)
def test_a_wait_is_finite_and_never_over_the_cap(attempt: int, base: float, factor: float, cap: float) -> None:
    wait = exponential(attempt, base, factor, cap)
    assert math.isfinite(wait)
    assert 0 < wait <= cap


@given(base=POSITIVE, factor=st.floats(1, 100), cap=POSITIVE)
def test_waits_never_shrink(base: float, factor: float, cap: float) -> None:
    waits = [exponential(n, base, factor, cap) for n in range(1, 40)]
    assert waits == sorted(waits)
    assert waits[0] == min(base, cap)


@given(wait=st.floats(0, 1e9))
def test_jitter_stays_within_the_wait(wait: float) -> None:
    assert 0 <= full_jitter(wait) <= wait


def test_a_loop_of_retries_begins_anew_after_a_success() -> None:
    backoff = Backoff(base_s=0.1, cap_s=0.4)
    for step in (0.1, 0.2, 0.4, 0.4, 0.4):
        assert step / 2 <= backoff.next_s() <= step
    backoff.reset()
    assert backoff.next_s() <= 0.1


@pytest.mark.parametrize("attempts", [2_000, 100_000])
def test_even_after_many_attempts(attempts: int) -> None:
    backoff = Backoff(cap_s=1.0)
    for _ in range(attempts):
        wait = backoff.next_s()
    assert 0.5 <= wait <= 1.0
