"""What nexq is to reach, as data, and the table that says whether it did in this run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.bench.report import Rows, number


@dataclass(frozen=True)
class Target:
    """One line: a metric of nexq against a bound, or against a multiple of the same metric of another subject."""

    question: str
    metric: str
    at_least: bool
    bound: float
    beside: str = ""

    def text(self) -> str:
        """The target in words."""
        sign = "≥" if self.at_least else "≤"
        return f"{sign} {self.bound:g} x {self.beside}" if self.beside else f"{sign} {number(self.bound)}"


TARGETS = (
    Target("drain", "per_s", True, 40000),
    Target("drain", "per_s", True, 4, "repid"),
    Target("drain", "per_s", True, 9, "dramatiq"),
    Target("drain", "per_s", True, 1.8, "bullmq"),
    Target("drain", "extra_runs", False, 0),
    Target("drain", "two_extra_runs", False, 0),
    Target("drain", "worker_us", False, 16),
    Target("drain", "server_us", False, 12),
    Target("enqueue_bulk", "per_s", True, 100000),
    Target("enqueue_one", "one_per_s", True, 0.85, "floor"),
    Target("enqueue_one", "tasks_per_s", True, 40000),
    Target("pickup", "p50", False, 0.7),
    Target("pickup", "p99", False, 1.5),
    Target("lateness", "p50", False, 1.5),
    Target("lateness", "p99", False, 5),
    Target("lateness", "early", False, 0),
    Target("memory", "bytes_per_job", False, 260),
    Target("idle", "per_s", False, 0.5),
    Target("startup", "done_s", False, 0.7),
)


def _median(rows: Rows, subject: str, metric: str) -> float | None:
    spread = rows.get(subject, {}).get("metrics", {}).get(metric)
    return None if spread is None else float(spread["median"])


def verdicts(results: Mapping[str, Rows], title: Callable[[str, str], str]) -> str:
    """The table of targets, of those whose figures are in the run."""
    lines = ["## Targets of nexq", "", "| measure | target | figure | reached |", "|---|---|---|---|"]
    for target in TARGETS:
        rows = results.get(target.question, {})
        figure = _median(rows, "nexq", target.metric)
        other = _median(rows, target.beside, target.metric) if target.beside else 1.0
        if figure is None or other is None:
            continue
        bound = target.bound * other
        reached = figure >= bound if target.at_least else figure <= bound
        shown = f"{number(figure)} ({figure / other:.2f} x)" if target.beside else number(figure)
        name = f"{target.question}: {title(target.question, target.metric)}"
        lines.append(f"| {name} | {target.text()} | {shown} | {'yes' if reached else 'NO'} |")
    return "\n".join(lines) + "\n" if len(lines) > 4 else ""
