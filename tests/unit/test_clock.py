"""Durations and points in time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from nexq.clock import epoch_ms, seconds
from nexq.errors import InvalidJob

#: More than a float can hold.
HUGE = pytest.param(10**400, id="huge")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0.0), (1, 1.0), (0.25, 0.25), (timedelta(minutes=2, milliseconds=5), 120.005), (timedelta(), 0.0)],
)
def test_durations(value: Any, expected: float) -> None:
    assert seconds(value) == expected
    assert isinstance(seconds(value), float)


@pytest.mark.parametrize(
    "value",
    [-1, -0.001, float("nan"), float("inf"), 1e300, HUGE, timedelta(seconds=-1), timedelta.max, True, None, "5", 1j],
)
def test_what_is_no_duration(value: Any) -> None:
    with pytest.raises(InvalidJob, match="delay"):
        seconds(value, "delay")


def test_points_in_time_have_a_zone() -> None:
    at = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert epoch_ms(at) == 1767268800000.0
    assert epoch_ms(at.astimezone(timezone(timedelta(hours=-7)))) == epoch_ms(at)
    for value in (datetime(2026, 1, 1), "2026-01-01T00:00:00Z", 1767268800, None):
        with pytest.raises(InvalidJob, match="time zone"):
            epoch_ms(value)  # type: ignore[arg-type]
