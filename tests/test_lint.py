"""The code as ruff wants it: the same check as `make check`, so that CI needs no step of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run_ruff(*args: str) -> None:
    done = subprocess.run([sys.executable, "-m", "ruff", *args], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    run_ruff("check", ".")


def test_the_format_is_ruffs() -> None:
    run_ruff("format", "--check", ".")
