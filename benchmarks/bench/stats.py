"""Medians and percentiles."""

import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], q: float) -> float:
    """The value that a share q of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def spread(values: Sequence[float]) -> dict[str, float | list[float]]:
    """Median, least and most of the runs."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "runs": list(values)}
