"""Tables for people, JSON for programs."""

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from benchmarks.bench.question import Question

RESULTS = Path(__file__).resolve().parents[1] / "results"
Rows = dict[str, dict[str, Any]]
"""Subject -> {"metrics": {name: spread}, "error": text}."""


def number(value: float) -> str:
    """A number as short as its size allows."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(spread: dict[str, Any] | None) -> str:
    """Median, and the range where there was more than one run."""
    if spread is None:
        return "-"
    middle = number(spread["median"])
    if len(spread["runs"]) < 2 or spread["min"] == spread["max"]:
        return middle
    return f"{middle} ({number(spread['min'])}-{number(spread['max'])})"


def table(question: Question, rows: Rows) -> str:
    """The question's table, Markdown."""
    lines = [f"## {question.title}", ""]
    lines.append("| | " + " | ".join(question.columns.values()) + " |")
    lines.append("|---" * (len(question.columns) + 1) + "|")
    for subject, row in rows.items():
        if "error" in row:
            lines.append(f"| {subject} | failed: {row['error'].splitlines()[0]} |" + " |" * (len(question.columns) - 1))
        else:
            cells = [cell(row["metrics"].get(name)) for name in question.columns]
            lines.append(f"| {subject} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    cpu = next(
        (x.partition(":")[2].strip() for x in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in x), ""
    )
    return {
        "cores": os.cpu_count(),
        "cpu": cpu or platform.machine(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_at_start": os.getloadavg(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def save(document: dict[str, Any]) -> Path:
    """Write the JSON; says where."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}-{document['server']['kind']}.json"
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path
