"""Durations and points in time, as callers give them. The server's clock decides when jobs run, not this one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TypeAlias

from nexq.errors import InvalidJob

Duration: TypeAlias = float | timedelta
_MOST_S = 100 * 365 * 86400.0


def seconds(value: Duration, what: str = "duration") -> float:
    """The duration in seconds. Raises InvalidJob for one that is negative, not finite, or over 100 years."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidJob(f"Expected {what} to be a number of seconds or a timedelta, got {value!r}.")
    if not 0 <= value <= _MOST_S:  # NaN is not either
        raise InvalidJob(f"Expected {what} to be from 0 to {_MOST_S:.0f} seconds, got {value!r}.")
    return float(value)


def epoch_ms(value: datetime, what: str = "run_at") -> float:
    """The point in time in Unix ms. Raises InvalidJob for one without a time zone."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise InvalidJob(f"Expected {what} to be a datetime with a time zone, got {value!r}.")
    return value.timestamp() * 1000
