"""Node and the dashboard's packages, for the tests that need them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"
#: What Vite asks for.
LEAST_NODE = (20, 19)


@cache
def _why_not() -> str:
    """Why the dashboard's tools cannot be run here, or ''. Installs its packages where they are not."""
    if not (shutil.which("node") and shutil.which("npm")):
        return "node and npm are not installed"
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    found = tuple(map(int, re.findall(r"\d+", said)[:2]))
    if found < LEAST_NODE:
        return f"node is {said.strip()}; Vite needs {'.'.join(map(str, LEAST_NODE))} or newer"
    if _fresh():
        return ""
    done = run("npm", "ci", timeout_s=100)
    return "" if done.returncode == 0 else f"`npm ci` failed: {done.stderr.strip()[-500:]}"


def _fresh() -> bool:
    """Whether what is installed is what the lock file says."""
    installed = DASHBOARD / "node_modules" / ".package-lock.json"
    return installed.is_file() and installed.stat().st_mtime >= (DASHBOARD / "package-lock.json").stat().st_mtime


def need_packages() -> None:
    """Skip the test where the dashboard's tools cannot be run; in CI fail it."""
    why = _why_not()
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(f"the dashboard's source is not checked: {why}")


def run(*command: str, cwd: Path = DASHBOARD, timeout_s: float = 110) -> subprocess.CompletedProcess[str]:
    """Run a command in the dashboard's folder."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False)
