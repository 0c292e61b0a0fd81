"""The dashboard's source: its tests, types and lint, and that what is committed in `dist` is what it builds to."""

from __future__ import annotations

import filecmp
import json
from pathlib import Path

import pytest

from tests.support.node import DASHBOARD, need_packages, run

MOST_LINES = 300


@pytest.mark.parametrize("script", ["types", "lint", "test"])
def test_the_checks_of_its_own(script: str) -> None:
    need_packages()
    done = run("npm", "run", "--silent", script)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_committed_is_what_it_builds_to(tmp_path: Path) -> None:
    need_packages()
    done = run("npm", "run", "--silent", "build", "--", "--outDir", str(tmp_path / "dist"))
    assert done.returncode == 0, done.stdout + done.stderr
    different = sorted(differences(DASHBOARD / "dist", tmp_path / "dist"))
    assert not different, f"run `npm run build` in dashboard/ and commit dist: {different}"


def differences(one: Path, other: Path) -> set[str]:
    """The files that are not the same in two folders."""
    names = {p.relative_to(folder).as_posix() for folder in (one, other) for p in folder.rglob("*") if p.is_file()}
    return {
        name
        for name in names
        if not ((one / name).is_file() and (other / name).is_file() and filecmp.cmp(one / name, other / name, False))
    }


def test_differences_are_seen(tmp_path: Path) -> None:
    for side, text in (("a", "x"), ("b", "y")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "same").write_text("same")
        (tmp_path / side / "changed").write_text(text)
        (tmp_path / side / f"only-{side}").touch()
    assert differences(tmp_path / "a", tmp_path / "b") == {"changed", "only-a", "only-b"}


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((DASHBOARD / "package-lock.json").read_text(encoding="utf-8"))
    packages = {name: package for name, package in lock["packages"].items() if name}
    assert packages
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert not [name for name, package in packages.items() if "integrity" not in package]


@pytest.mark.parametrize(
    "path", [p for p in (DASHBOARD / "src").rglob("*") if p.suffix in (".ts", ".tsx")], ids=lambda p: p.name
)
def test_files_are_short(path: Path) -> None:
    assert path.read_text(encoding="utf-8").count("\n") <= MOST_LINES


def test_built_files_ask_nobody_else() -> None:
    """No address of another host that a browser would load: links in messages are text."""
    html = (DASHBOARD / "dist" / "index.html").read_text(encoding="utf-8")
    assert "//" not in html.replace("<!doctype html>", "")
    for style in (DASHBOARD / "dist" / "assets").glob("*.css"):
        text = style.read_text(encoding="utf-8")
        assert "url(" not in text and "@import" not in text
