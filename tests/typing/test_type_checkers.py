"""mypy --strict and pyright agree on nexq and on the files beside this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent


def check(*command: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_mypy() -> None:
    pytest.importorskip("mypy", reason="the dev extra brings mypy")
    code, said = check("mypy", "--strict", "--warn-unused-ignores", "nexq", str(HERE))
    assert code == 0, said


@pytest.mark.parametrize("what", [("nexq",), ("--project", str(HERE))], ids=["nexq", "typing"])
def test_pyright(what: tuple[str, ...]) -> None:
    """In this folder mypy's comments do not silence pyright (pyrightconfig.json): it finds each mistake itself."""
    pytest.importorskip("pyright", reason="the dev extra brings pyright")
    code, said = check("pyright", "--pythonpath", sys.executable, *what)
    assert code == 0, said
    assert "0 errors" in said
