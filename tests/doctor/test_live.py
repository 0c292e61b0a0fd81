"""The doctor on live data: jobs move meanwhile, and it neither cries wolf nor holds the server up."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Iterator

import pytest

from nexq.backends.redis import RedisBackend
from nexq.doctor import examine
from nexq.errors import JobNotFound, UniqueConflict
from nexq.ids import new_id
from nexq.states import JobState
from nexq.store import Entry, Keep, Store
from tests.doctor.ward import key, spec
from tests.support.servers import Server

QUEUES = ("a", "b")
KEEP = Keep(completed_count=40, dead_count=20).pack()


@pytest.fixture
def store(valkey: Server, runner: asyncio.Runner) -> Iterator[Store]:
    """An empty store on a real Valkey."""
    valkey.wire.call("FLUSHALL")
    store = Store(RedisBackend(valkey.url, patience_s=5.0))
    yield store
    runner.run(store.aclose())


class Busy:
    """Everybody who moves jobs, until told to stop."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.stop = False
        self.moves = 0
        self.ids: list[tuple[str, str]] = []

    async def produce(self, seed: int) -> None:
        """Enqueue jobs of every sort."""
        rng = random.Random(seed)
        while not self.stop:
            queue = rng.choice(QUEUES)
            entries = []
            for _ in range(rng.randint(1, 30)):
                unique = f"u{rng.randint(0, 50)}" if rng.random() < 0.3 else ""
                options = {"max_attempts": 2} if rng.random() < 0.5 else {}
                delay = rng.choice(["", "", "", "5", "200"])
                body = spec(unique=unique, options=options, priority=rng.randint(0, 9), max_lost=1)
                entries.append(Entry(new_id(), body, delay, unique))
            await self.store.moves.enqueue(queue, entries)
            self.ids = (self.ids + [(queue, e.id) for e in entries])[-2000:]
            self.moves += len(entries)

    async def work(self, seed: int) -> None:
        """Claim, and settle in every way, or not at all."""
        rng = random.Random(seed)
        mine: dict[str, list[tuple[bytes, int, int]]] = {q: [] for q in QUEUES}
        while not self.stop:
            queue = rng.choice(QUEUES)
            completed: list[bytes | int] = []
            others: list[bytes | int | str] = []
            for id, token, attempt in mine[queue]:
                way = rng.random()
                if way < 0.5:
                    completed += (id, token, b"1")
                elif way < 0.9:
                    kind = rng.choice(["bury", "snooze", "cancel", "release", "retry"])
                    if kind == "retry" and attempt >= 2:
                        kind = "bury"
                    others += (kind, id, token, rng.choice([0, 3]), b"{}")
            got = await self.store.moves.exchange(
                *(queue, f"w{seed}", new_id()),
                lease_ms=rng.choice([5, 1000]),
                limit=rng.randint(0, 30),
                keep=KEEP,
                completed=completed,
                others=others,
            )
            mine[queue] = [(c.id, c.token, int(c.counts.split()[0]) if c.counts else 1) for c in got.claims]
            self.moves += len(got.claims) + (len(completed) // 3) + (len(others) // 5)

    async def operate(self, seed: int) -> None:
        """Cancel, revive, reprioritize, delete and purge by hand."""
        rng = random.Random(seed)
        moves = self.store.moves
        while not self.stop:
            if not self.ids:
                await asyncio.sleep(0)
                continue
            queue, id = rng.choice(self.ids)
            try:
                match rng.randint(0, 6):
                    case 0:
                        await moves.cancel(queue, id)
                    case 1:
                        await moves.revive(queue, id)
                    case 2:
                        await moves.reprioritize(queue, id, rng.randint(0, 9))
                    case 3:
                        await moves.run_now(queue, id)
                    case 4:
                        await moves.delete(queue, id)
                    case 5:
                        await moves.watch(queue, id, "me")
                    case _:
                        await moves.purge(queue, rng.choice([JobState.DEAD, JobState.READY]), 20)
            except (JobNotFound, UniqueConflict):
                pass
            self.moves += 1


async def test_no_false_alarm_while_jobs_move(store: Store, valkey: Server) -> None:
    others = [store.clone() for _ in range(3)]
    busy = [Busy(s) for s in others]
    tasks = [
        asyncio.ensure_future(work)
        for i, b in enumerate(busy)
        for work in (b.produce(i), b.work(10 + i), b.work(20 + i), b.operate(30 + i))
    ]
    examined = 0
    try:
        while examined < 1000 or sum(b.moves for b in busy) < 1000:
            report = await examine(store)
            assert [f.as_dict() for f in report.findings if f.code != "server"] == []
            examined += report.checked["jobs"]
    finally:
        for b in busy:
            b.stop = True
        done = await asyncio.gather(*tasks, return_exceptions=True)
        for other in others:
            await other.aclose()
    assert [d for d in done if d is not None] == []
    final = await examine(store)
    assert [f.as_dict() for f in final.findings if f.code != "server"] == []


async def test_no_call_holds_the_server_up(store: Store, valkey: Server) -> None:
    big, small = spec() + b"x" * 200_000, spec(unique="")
    await store.moves.enqueue("big", [Entry(f"b{i}", big, "60000") for i in range(100)])
    for start in range(0, 40_000, 1000):
        await store.moves.enqueue("a", [Entry(f"s{start + i}", small) for i in range(1000)])
    valkey.wire.call("ZREM", key("ready:5", "a"), "s7")
    valkey.wire.call("CONFIG", "RESETSTAT")
    valkey.wire.call("CONFIG", "SET", "slowlog-log-slower-than", "5000")
    valkey.wire.call("CONFIG", "SET", "slowlog-max-len", "1000")
    valkey.wire.call("SLOWLOG", "RESET")
    report = await examine(store)
    slow = valkey.wire.call("SLOWLOG", "LEN")
    stats = valkey.wire.call("INFO", "commandstats").decode()
    valkey.wire.call("CONFIG", "SET", "slowlog-log-slower-than", "10000")
    assert report.checked["jobs"] == 40_099
    assert {(f.code, f.queue, f.count) for f in report.findings if f.code != "server"} == {
        ("I1", "a", 1),
        ("I2", "a", 1),
    }
    calls = next(line for line in stats.splitlines() if line.startswith("cmdstat_evalsha:"))
    # A machine that is short of time lets some calls wait; the others must not even come near.
    number, mean_us = (float(re.findall(rf"{name}=([0-9.]+)", calls)[0]) for name in ("calls", "usec_per_call"))
    assert slow <= number / 10, calls
    assert mean_us < 2500, calls
