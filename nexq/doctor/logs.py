"""The log of a backend that keeps one: read whole, and compared with what it should have made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nexq.doctor.report import Report
from nexq.errors import LogError

Keys = list[tuple[bytes, bytes, int]]


async def examine_log(audit: Callable[[], Awaitable[Any]], report: Report) -> Keys:
    """Have a backend's log audited. Returns the keys of the state: (key, type, ms to live or -1)."""
    try:
        found = await audit()
    except LogError as error:
        report.add("log_broken", detail=str(error))
        return []
    for kind, detail, count in found.findings:
        report.add(kind, detail=detail, count=count)
    report.notes += found.notes
    report.checked["entries"] = found.entries
    return list(found.keys)
