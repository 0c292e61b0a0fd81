"""The journal: the log on this machine's disk, when the server and every process are gone."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nexq.backends.pogocache import PogocacheBackend
from nexq.errors import ConfigError, LogDamagedError
from nexq.job import Spec
from nexq.store import Entry, Store
from tests.support.pogocache import Pogocache

SPEC = Spec("t", b"{}").pack()


def _open(server: Pogocache, log: str, journal: Path) -> Store:
    url = f"{server.url}/{log}?journal={journal}"
    return Store(PogocacheBackend(url, patience_s=20.0, share=False))


def _epoch(store: Store) -> int:
    assert isinstance(store.backend, PogocacheBackend)
    epoch = store.backend.replica.epoch
    assert epoch is not None
    return epoch.epoch


async def _enqueue(store: Store, *ids: str) -> None:
    assert await store.moves.enqueue("mail", [Entry(id, SPEC) for id in ids]) == []


async def _ready(store: Store) -> int:
    return (await store.views.queue("mail")).counts["ready"]


async def test_what_was_acknowledged_comes_back_when_the_server_and_all_processes_are_gone(
    server: Pogocache, log: str, tmp_path: Path
) -> None:
    store = _open(server, log, tmp_path / "journal")
    await _enqueue(store, "a", "b")
    (claim,) = (await store.moves.exchange("mail", "w1", "1", lease_ms=60_000, limit=1)).claims
    await store.moves.exchange("mail", "w1", "2", lease_ms=1, limit=0, completed=(claim.id, claim.token, b"1"))
    # What is on the disk now is what a machine without power would find.
    at_once = (tmp_path / "journal").read_bytes()
    await store.aclose()
    (tmp_path / "journal").write_bytes(at_once)
    (server.file or Path("none")).unlink(missing_ok=True)
    server.kill()
    server.start()
    back = _open(server, log, tmp_path / "journal")
    assert await _ready(back) == 1
    assert (await back.views.get("mail", "a")).state == "completed"
    assert _epoch(back) == 2
    await _enqueue(back, "c")
    await back.aclose()


async def test_a_restart_of_the_process_alone_goes_on_where_it_was(server: Pogocache, log: str, tmp_path: Path) -> None:
    for number in range(3):
        store = _open(server, log, tmp_path / "journal")
        await _enqueue(store, f"j{number}")
        assert (await _ready(store), _epoch(store)) == (number + 1, 1)
        await store.aclose()


async def test_a_journal_that_was_cut_off_gives_what_was_whole(server: Pogocache, log: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = _open(server, log, path)
    await _enqueue(store, "a")
    whole = path.stat().st_size
    await _enqueue(store, "b")
    await store.aclose()
    os.truncate(path, (whole + path.stat().st_size) // 2)
    (server.file or Path("none")).unlink(missing_ok=True)
    server.kill()
    server.start()
    back = _open(server, log, path)
    assert await _ready(back) == 1
    await back.aclose()


async def test_each_process_has_a_file_of_its_own(server: Pogocache, log: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    one, two = _open(server, log, path), _open(server, log, path)
    await _enqueue(one, "a")
    await _enqueue(two, "b")
    assert await _ready(one) == 2
    await one.aclose()
    await two.aclose()
    assert sorted(p.name for p in tmp_path.glob("journal*")) == [
        "journal",
        "journal.1",
        "journal.1.lock",
        "journal.lock",
    ]


@pytest.mark.parametrize("content", [b"this is a text\n", b"nexq journal 1\n" + bytes(40), b"nexq journal 9\nx"])
async def test_another_file_in_its_place_is_not_touched(
    server: Pogocache, log: str, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    store = _open(server, log, path)
    with pytest.raises(LogDamagedError, match=r"[Nn]othing was changed"):
        await _enqueue(store, "a")
    assert path.read_bytes() == content
    await store.aclose()


async def test_the_journal_of_another_log_is_not_touched(server: Pogocache, log: str, tmp_path: Path) -> None:
    path = tmp_path / "journal"
    store = _open(server, log, path)
    await _enqueue(store, "a")
    await store.aclose()
    content = path.read_bytes()
    other = _open(server, f"{log}-other", path)
    with pytest.raises(LogDamagedError, match=f"of the log '{log}'"):
        await _enqueue(other, "a")
    assert path.read_bytes() == content
    await other.aclose()


async def test_a_folder_that_cannot_be_written(server: Pogocache, log: str, tmp_path: Path) -> None:
    (tmp_path / "journal.lock").mkdir()
    store = _open(server, log, tmp_path / "journal")
    with pytest.raises(ConfigError, match="cannot be used"):
        await _enqueue(store, "a")
    await store.aclose()
