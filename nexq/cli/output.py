"""What verbs print: tables for people, JSON for programs.

On a terminal a table is drawn by rich; elsewhere it is plain columns, whole, for grep and less.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import typer

#: State -> its colour on a terminal.
COLOURS = {
    "ready": "cyan",
    "running": "blue",
    "scheduled": "magenta",
    "retrying": "yellow",
    "completed": "green",
    "dead": "red",
    "cancelled": "bright_black",
    "blocked": "bright_black",
    "error": "red",
    "warning": "yellow",
}


def print_json(value: Any) -> None:
    """Print one JSON document."""
    try:
        text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONEncodeError:
        # Integers beyond 64 bits.
        import json

        text = json.dumps(value, indent=2, ensure_ascii=False)
    typer.echo(text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], empty: str, numbers: Sequence[str] = ()) -> None:
    """Print a table, or the line `empty`. Columns named in `numbers` stand to the right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    if not cells:
        typer.echo(empty)
        return
    if not sys.stdout.isatty():
        _print_plain(columns, cells, numbers)
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in cells:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    Console().print(table)


def print_facts(facts: Iterable[tuple[str, Any]]) -> None:
    """Print names and values, one pair a line; those whose value is None are left out."""
    shown = [(name, _text(value)) for name, value in facts if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        first, *more = value.splitlines() or [""]
        colour = COLOURS.get(first) if name == "state" and "NO_COLOR" not in os.environ else None
        # Colours vanish by themselves where there is no terminal.
        typer.echo(f"{name:<{width}}  " + (typer.style(first, fg=colour) if colour else first))
        for line in more:
            typer.echo(" " * (width + 2) + line)


def _print_plain(columns: Sequence[str], cells: list[list[str]], numbers: Sequence[str]) -> None:
    lines = [list(columns), *([cell.replace("\n", " ") for cell in row] for row in cells)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    for line in lines:
        parts = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for cell, width, column in zip(line, widths, columns, strict=True)
        ]
        typer.echo("  ".join(parts).rstrip())


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in str(cell))


def span(seconds: float) -> str:
    """A duration in few characters: 350 ms, 12 s, 5 min, 3.2 h, 4.1 d."""
    if seconds < 0.001:
        return "0 s" if seconds < 1e-6 else f"{seconds * 1000:.2f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def ago(ms: float | None) -> str | None:
    """How long ago, or how far ahead, a point in time is; by this machine's clock, for people."""
    if not ms:
        return None
    delta = time.time() - ms / 1000
    return f"{span(delta)} ago" if delta >= 0 else f"in {span(-delta)}"


def at(ms: float | None) -> str | None:
    """A point in time: UTC, and how long ago."""
    if not ms:
        return None
    try:
        stamp = datetime.fromtimestamp(ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ms:.0f} ms"
    return f"{stamp.isoformat(sep=' ', timespec='milliseconds').removesuffix('+00:00')} UTC ({ago(ms)})"


def short(text: str, most: int = 60) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1] + "…"
