"""A question: what is measured of each subject, and how its table reads."""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.bench.subject import Subject

Measures = dict[str, float]


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    program: str
    jobs: int = 20000
    pickups: int = 500
    idle_seconds: float = 20.0


@dataclass(frozen=True)
class Question:
    """One file of this folder."""

    name: str
    title: str
    measure: Callable[[Subject, Options], Measures]
    columns: dict[str, str]
    """Metric -> column title, in the table's order; further metrics go to the JSON only."""
    needs: Callable[[Subject], bool] = field(default=lambda subject: True)
    """Whether the subject can do this at all."""
