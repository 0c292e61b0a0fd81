"""Does the suite notice? One line of a script is broken at a time, and a named contract test must fail (mutants.py).

Each patch has to fit its file exactly once, so that a script that changes takes its mutants along.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from nexq import scripts
from nexq.backends.memory import MemoryBackend
from nexq.store import moves, views
from tests.contract.bench import Bench
from tests.contract.mutants import MUTANTS, Check, Mutant


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the scripts, for one mutant after the other."""
    copy = tmp_path_factory.mktemp("lua")
    shutil.copytree(scripts.find_lua(), copy, dirs_exist_ok=True)
    yield copy


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.what.replace(" ", "-"))
def test_the_mutant_is_caught(mutant: Mutant, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / f"{mutant.file}.lua"
    original = path.read_text()
    assert original.count(mutant.old) == 1, f"{mutant.file}.lua holds {original.count(mutant.old)} times: {mutant.old}"
    for killer in mutant.killers:
        assert _run(killer) is None, "the test fails on the scripts as they are"
    path.write_text(original.replace(mutant.old, mutant.new))
    loaded: dict[str, scripts.Script] = {}

    def load(name: str) -> scripts.Script:
        if name not in loaded:
            loaded[name] = scripts.load.__wrapped__(name, folder)
        return loaded[name]

    monkeypatch.setattr(moves, "load", load)
    monkeypatch.setattr(views, "load", load)
    try:
        assert any(_run(killer) for killer in mutant.killers), "no test noticed"
    finally:
        path.write_text(original)


def _run(check: Check) -> Exception | None:
    """What the check raised on a fresh memory:// store."""

    async def run() -> None:
        store = Bench(MemoryBackend())
        try:
            await check(store)
        finally:
            await store.aclose()

    try:
        asyncio.run(run())
    except Exception as error:
        return error
    return None
