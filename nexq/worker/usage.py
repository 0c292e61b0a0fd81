"""What this process is and uses: its version, processor time and memory."""

from __future__ import annotations

import os
import resource
import sys
import time
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_STATM = Path("/proc/self/statm")


@cache
def nexq_version() -> str:
    """The version of nexq that is installed, '' where it is run from its bare files."""
    try:
        return version("nexq")
    except PackageNotFoundError:
        return ""


class Usage:
    """Looks at the process, each time since the last time."""

    def __init__(self) -> None:
        self._mono = time.monotonic()
        self._cpu_s = time.process_time()

    def look(self) -> dict[str, float | int]:
        """`cpu`: the share of one processor since the last look; `rss_bytes`: memory in use."""
        mono, cpu_s = time.monotonic(), time.process_time()
        share = (cpu_s - self._cpu_s) / max(1e-3, mono - self._mono)
        self._mono, self._cpu_s = mono, cpu_s
        return {"cpu": round(share, 3), "rss_bytes": _rss_bytes()}


def _rss_bytes() -> int:
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        # Elsewhere than on Linux: the largest it was. In bytes on macOS, in KiB on the BSDs.
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
