"""The wheel: built, looked into, installed into an environment of its own, and used from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

TRIAL = """
import asyncio, pathlib, sys
import nexq, nexq.scripts
from nexq import Nexq

app = Nexq("memory://")

@app.handler
async def double(n: int) -> int:
    return 2 * n

async def main():
    async with app, app.worker():
        job = await double.enqueue(21)
        print(await job.result(timeout=20), pathlib.Path(nexq.__file__).parent)

asyncio.run(main())
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command; its output. Fails with all it said."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "NEXQ_"))} | environment
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built with what is installed: nothing is fetched."""
    pytest.importorskip("hatchling", reason="the dev extra brings hatchling")
    if not (ROOT / "README.md").is_file():
        pytest.skip("README.md is not written yet, and no wheel is built without it")
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    (wheel,) = folder.glob("nexq-*.whl")
    return wheel


def test_what_is_in_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(n for n in names if n.endswith("/METADATA"))).decode()
    in_package = {n.removeprefix("nexq/") for n in names if n.startswith("nexq/")}
    sources = {p.relative_to(ROOT / "nexq").as_posix() for p in (ROOT / "nexq").rglob("*.py")}
    scripts = {"_lua/" + p.relative_to(ROOT / "lua").as_posix() for p in (ROOT / "lua").rglob("*.lua")}
    dist = ROOT / "dashboard" / "dist"
    pages = {"web/_dist/" + p.relative_to(dist).as_posix() for p in dist.rglob("*") if p.is_file()}
    assert scripts and "web/_dist/index.html" in pages
    assert sources | scripts | pages | {"py.typed"} <= in_package
    outside = {n.split("/")[0] for n in names} - {"nexq"}
    assert all(n.endswith(".dist-info") for n in outside), outside
    assert "Requires-Python: >=3.11" in metadata


def test_it_runs_from_an_empty_folder(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    (site,) = venv.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # Its dependencies are those of the environment that runs the tests.
    others = [p for p in sys.path if p.endswith("-packages")]
    (site / "dependencies.pth").write_text("\n".join(others) + "\n")
    empty = tmp_path / "empty"
    empty.mkdir()
    value, where = run(venv / "bin" / "python", "-c", TRIAL, cwd=empty).split()
    assert value == "42"
    assert Path(where) == site / "nexq", "the installed one ran, not the checkout"
    assert list(empty.iterdir()) == []
    found = run(venv / "bin" / "python", "-c", "from nexq.web import dashboard; print(dashboard.folder())", cwd=empty)
    assert Path(found.strip()) == site / "nexq" / "web" / "_dist"
