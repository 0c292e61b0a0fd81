"""The doctor on a log in Pogocache: the log itself, and the jobs in it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator

import pytest

from nexq.backends.pogocache import PogocacheBackend, tend
from nexq.doctor import Report, examine
from nexq.job import Spec
from nexq.store import Entry, Store
from tests.doctor.ward import stock
from tests.support.pogocache import GivenPogocache, Pogocache

SPEC = Spec("t", b"{}").pack()
Server = Pogocache | GivenPogocache


@pytest.fixture
def store(pogocache: Server, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A stocked store; what watches over the log while it is used is left out, so that the doctor comes first."""
    monkeypatch.setattr(tend, "AUDIT_S", 3600.0)
    pogocache.wire.call("FLUSHALL")
    url = f"{pogocache.url}/t{secrets.token_hex(6)}?maxmemory=unlimited"
    store = Store(PogocacheBackend(url, patience_s=10.0, share=False))
    runner.run(stock(store))
    yield store
    runner.run(store.aclose())


def _backend(store: Store) -> PogocacheBackend:
    assert isinstance(store.backend, PogocacheBackend)
    return store.backend


async def _two_snapshots(store: Store) -> None:
    """Snapshots with a few entries after each."""
    backend = _backend(store)
    for round in range(2):
        await tend.make_snapshot(await backend.line.link(), backend.replica)
        for number in range(3):
            await store.moves.enqueue("ward", [Entry(f"more-{round}-{number}", SPEC)])


def _kinds(report: Report) -> list[str]:
    return [kind for kind, _ in report._seen]


async def test_a_healthy_log(store: Store) -> None:
    await _two_snapshots(store)
    report = await examine(store)
    assert report.findings == []
    assert report.checked["jobs"] == 16
    assert report.checked["keys"] >= 12
    # Those between the two snapshots, and those after.
    assert report.checked["entries"] >= 6
    assert "epoch 1" in report.notes[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [("cut", "cut off"), ("foreign", "does not begin as an entry"), ("gone", "is missing"), ("other", "another")],
)
async def test_an_entry_that_was_changed(store: Store, pogocache: Server, change: str, says: str) -> None:
    await _two_snapshots(store)
    backend = _backend(store)
    at = backend.replica.machine.position - 1
    key = backend.replica.keys.entry(1, at)
    raw = pogocache.wire.call("GET", key)
    pogocache.wire.call("DEL", key)
    if change != "gone":
        values = {
            "cut": raw[: len(raw) // 2],
            "foreign": b"hello",
            "other": pogocache.wire.call("GET", backend.replica.keys.entry(1, at - 1)),
        }
        pogocache.wire.call("SET", key, values[change])
    report = await examine(store)
    assert _kinds(report) == ["log_entry"]
    assert key in report.findings[0].message
    assert says in report.findings[0].message or change == "other"
    assert not report.ok


async def test_a_snapshot_with_a_part_missing(store: Store, pogocache: Server) -> None:
    await _two_snapshots(store)
    replica = _backend(store).replica
    prefix = replica.keys.manifest(1, replica.snapshot_at)
    (part,) = pogocache.wire.call("KEYS", f"{prefix}:*")
    pogocache.wire.call("DEL", part)
    # The epoch's start would do instead, were its first entries not trimmed.
    pogocache.wire.call("DEL", replica.keys.entry(1, 1))
    report = await examine(store)
    assert _kinds(report) == ["log_snapshot"]
    assert part.decode() in report.findings[0].message


async def test_a_state_that_is_not_what_the_log_makes(store: Store) -> None:
    await _two_snapshots(store)
    replica = _backend(store).replica
    replica.machine.engine.command(b"HSET", b"nexq:{ward}:results", b"completed-1", b'"other"')
    assert "log_diverged" in _kinds(await examine(store))


async def test_other_keys_on_the_server(store: Store, pogocache: Server) -> None:
    pogocache.wire.pipeline([("SET", f"other:{n}", "x") for n in range(500)])
    report = await examine(store)
    assert _kinds(report) == ["log_foreign"]
    assert report.findings[0].count == 500
    assert report.ok


async def test_a_lost_log_is_a_finding(store: Store, pogocache: Server) -> None:
    pogocache.wire.call("FLUSHALL")
    report = await examine(store)
    assert _kinds(report) == ["log_broken"]
    assert "--maxmemory unlimited" in report.findings[0].message


async def test_damage_in_the_state_is_found_too(store: Store) -> None:
    """The keys of the state are looked over as those of a server are."""
    engine = _backend(store).replica.machine.engine
    engine.command(b"SET", b"nexq:{ward}:nonsense", b"x")
    engine.command(b"PEXPIRE", b"nexq:{ward}:jobs", 60_000_000)
    assert {"foreign_key", "ttl"} <= set(_kinds(await examine(store)))
