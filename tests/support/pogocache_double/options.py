"""The command line: the real server's, as far as it means something here."""

from __future__ import annotations

import argparse
from pathlib import Path

VERSION = "1.3.1-4-g8e20ffc"
_UNITS = {"k": 10, "m": 20, "g": 30, "t": 40}


def read(words: list[str] | None = None) -> argparse.Namespace:
    """Read it. Exits with 1 for what it does not know, as the real one does."""
    parser = argparse.ArgumentParser(prog="pogocache", add_help=False, exit_on_error=False, allow_abbrev=False)
    add = parser.add_argument
    add("-h", "--host", default="127.0.0.1")
    add("-p", "--port", default="9401")
    add("-s", "--socket", default="")
    add("--threads", type=int, default=2)
    add("--maxmemory", type=limit_bytes, default="80%")
    add("--evict", choices=("yes", "no"), default="yes")  # and nothing comes of it
    add("--persist", default="")
    add("--maxconns", type=int, default=1024)
    add("--auth", default="")
    add("--cas", choices=("yes", "no"), default="no")
    for name in ("port", "cert", "key", "cacert"):
        add(f"--tls{name}", default="")
    add("--version", action="version", version=f"pogocache {VERSION}")
    try:
        return parser.parse_args(words)
    except argparse.ArgumentError as error:
        parser.exit(1, f"# {error}\n")


def limit_bytes(text: str) -> int | None:
    """A memory limit. None: unlimited."""
    if text == "unlimited":
        return None
    if text.endswith("%"):
        memory = Path("/proc/meminfo").read_text().split()[1]
        return int(float(text[:-1]) / 100 * int(memory) * 1024)
    number = text.lower().removesuffix("b")
    if number[-1:] in _UNITS:
        return int(float(number[:-1]) * (1 << _UNITS[number[-1]]))
    return int(float(number))
