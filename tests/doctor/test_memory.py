"""The doctor on memory://: the same rules, but for the keys' names and lives, which it cannot list."""

from __future__ import annotations

from typing import Any

import pytest

from nexq.backends.memory import MemoryBackend
from nexq.doctor import examine
from nexq.store import Entry, Store
from tests.doctor.damage import DAMAGE, assert_found
from tests.doctor.ward import QUEUE, spec, stock

APPLIES = [name for name, (_, code, _, _) in DAMAGE.items() if code not in ("I13", "I14")]


@pytest.fixture
def backend() -> MemoryBackend:
    """An empty store in this process."""
    return MemoryBackend()


async def test_a_healthy_queue_has_no_finding(backend: MemoryBackend) -> None:
    store = Store(backend)
    await stock(store)
    report = await examine(store)
    assert [f.as_dict() for f in report.findings] == []
    assert report.checked == {"queues": 1, "jobs": 10, "keys": 0}
    assert "I13" in report.notes[0]


@pytest.mark.parametrize("name", APPLIES)
async def test_damage_is_found(name: str, backend: MemoryBackend) -> None:
    store = Store(backend)
    await stock(store)
    commands, code, severity, id = DAMAGE[name]
    for command in commands:
        damage(backend, command)
    report = await examine(store)
    assert_found(report, code, severity, id)
    assert report.ok == (severity == "warning")


async def test_a_lost_job_among_many_is_found(backend: MemoryBackend) -> None:
    store = Store(backend)
    for start in range(0, 3000, 1000):
        await store.moves.enqueue(QUEUE, [Entry(f"j{start + i}", spec()) for i in range(1000)])
    damage(backend, ("ZREM", "nexq:{ward}:ready:5", "j1234"))
    report = await examine(store, queues=[QUEUE])
    assert {(f.code, f.count) for f in report.findings} == {("I1", 1), ("I2", 1)}
    assert report.findings[1].ids == ["j1234"]


async def test_a_virtual_clock_is_the_doctors_too(backend: MemoryBackend) -> None:
    store = Store(backend, now_ms="1000000")
    await stock(store)
    assert (await examine(store)).findings == []
    store.set_clock("2000000")
    late = (await examine(store)).findings
    assert {(f.code, f.severity, f.count) for f in late} == {("I7", "warning", 2)}


def damage(backend: Any, command: tuple[str, ...]) -> None:
    """Run a command on the engine, behind the store's back."""
    backend._store._engine.command(*(part.encode() for part in command))
