"""What every adapter shares: the journal of what ran, and the roles a subprocess can play.

Only the standard library is used here: this runs in each peer's own virtualenv. An adapter is a module with a
class ``Peer``, an ``Adapter`` or a ``SyncAdapter``; the roles are

- ``describe``: how to start a worker, what the server must have none of when all is acknowledged
  (``left``), what it must then have one of per job (``completed``, optional), versions, notes
- ``one``: enqueue jobs one by one, each awaited · ``tasks``: from 100 concurrent tasks · ``bulk``: the batch call
- ``pickup``: one job every few milliseconds to an idle worker · ``delay``: jobs due at given times
- ``worker``: run a worker here, for a peer that has no command of its own

Each prints one JSON object. The environment says the rest: BENCH_URL, BENCH_JOBS, BENCH_JOURNAL, BENCH_VARIANT.
"""

import argparse
import asyncio
import json
import mmap
import os
import random
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

URL = os.environ.get("BENCH_URL", "redis://127.0.0.1:6379/0")
JOBS = int(os.environ.get("BENCH_JOBS", "20000"))
VARIANT = os.environ.get("BENCH_VARIANT", "")
CONCURRENCY = 100
BATCH = 1000
TO = "user@example.com"


class Journal:
    """A mapped file: for every job number the time its handler ran last, and how often it ran."""

    def __init__(self, path: Path, jobs: int) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), jobs * 9)
        view = memoryview(self._map)
        self.stamps = view[: jobs * 8].cast("d")
        self.counts = view[jobs * 8 :]

    @classmethod
    def create(cls, path: Path, jobs: int) -> "Journal":
        """A new, empty journal."""
        path.write_bytes(bytes(jobs * 9))
        return cls(path, jobs)

    def mark(self, n: int) -> None:
        """Job n runs now."""
        self.stamps[n] = time.time()
        self.counts[n] += 1

    def runs(self) -> bytes:
        """How often each job ran."""
        return bytes(self.counts)


def handler_mark() -> Callable[[int], None]:
    """What a handler calls with its job number: marks the journal in a worker, nothing elsewhere."""
    path = os.environ.get("BENCH_JOURNAL")
    return Journal(Path(path), JOBS).mark if path else lambda n: None


def payload(n: int) -> dict[str, Any]:
    """The payload of every benchmark: about 40 bytes of JSON."""
    return {"to": TO, "n": n}


def versions(*packages: str) -> dict[str, str]:
    """Installed versions, for the report."""
    return {package: version(package) for package in packages}


class Adapter:
    """A peer with an asyncio client. ``describe`` is the only method without a default that all need."""

    def describe(self) -> dict[str, Any]:
        """How to start a worker and what to watch."""
        raise NotImplementedError

    async def open(self) -> None:
        """Connect."""

    async def close(self) -> None:
        """Disconnect."""

    async def enqueue(self, n: int) -> None:
        """The simplest call, awaited."""
        raise NotImplementedError

    async def enqueue_waking(self, n: int) -> None:
        """The call that an idle worker sees at once."""
        await self.enqueue(n)

    async def enqueue_many(self, ns: Sequence[int]) -> None:
        """The batch call; where a peer has none, 100 calls at a time."""
        for at in range(0, len(ns), 100):
            await asyncio.gather(*(self.enqueue(n) for n in ns[at : at + 100]))

    async def enqueue_at(self, n: int, due: float) -> None:
        """A job due at a wall-clock time, in whole milliseconds."""
        raise NotImplementedError

    async def worker(self) -> None:
        """Run a worker until a signal ends it."""
        raise NotImplementedError


class SyncAdapter:
    """A peer with a blocking client."""

    def describe(self) -> dict[str, Any]:
        """How to start a worker and what to watch."""
        raise NotImplementedError

    def enqueue(self, n: int) -> None:
        """The simplest call."""
        raise NotImplementedError

    def enqueue_many(self, ns: Sequence[int]) -> None:
        """The batch call."""
        for n in ns:
            self.enqueue(n)

    def enqueue_at(self, n: int, due: float) -> None:
        """A job due at a wall-clock time, in whole milliseconds."""
        raise NotImplementedError


def _due_times(count: int) -> list[float]:
    start = time.time() + 2.0
    draw = random.Random(7)
    return [round(start + draw.uniform(0.0, 4.0), 3) for _ in range(count)]


def _gaps(count: int) -> list[float]:
    draw = random.Random(11)
    return [draw.uniform(0.005, 0.010) for _ in range(count)]


async def _produce(adapter: Adapter, role: str, ns: range, sent: Journal | None) -> None:
    if role == "one":
        for n in ns:
            await adapter.enqueue(n)
    elif role == "tasks":
        turn = iter(ns)

        async def sender() -> None:
            for n in turn:
                await adapter.enqueue(n)

        await asyncio.gather(*(sender() for _ in range(100)))
    elif role == "bulk":
        for at in range(0, len(ns), BATCH):
            await adapter.enqueue_many(ns[at : at + BATCH])
    elif role == "pickup" and sent is not None:
        for n, gap in zip(ns, _gaps(len(ns)), strict=True):
            await asyncio.sleep(gap)
            sent.mark(n)
            await adapter.enqueue_waking(n)
    elif role == "delay" and sent is not None:
        for n, due in zip(ns, _due_times(len(ns)), strict=True):
            sent.stamps[n] = due
            await adapter.enqueue_at(n, due)


def _produce_sync(adapter: SyncAdapter, role: str, ns: range, sent: Journal | None) -> None:
    if role == "one":
        for n in ns:
            adapter.enqueue(n)
    elif role == "bulk":
        for at in range(0, len(ns), BATCH):
            adapter.enqueue_many(ns[at : at + BATCH])
    elif role == "pickup" and sent is not None:
        for n, gap in zip(ns, _gaps(len(ns)), strict=True):
            time.sleep(gap)
            sent.mark(n)
            adapter.enqueue(n)
    elif role == "delay" and sent is not None:
        for n, due in zip(ns, _due_times(len(ns)), strict=True):
            sent.stamps[n] = due
            adapter.enqueue_at(n, due)


def _measured(start: float, cpu: float, jobs: int) -> dict[str, float]:
    seconds = time.perf_counter() - start
    return {"jobs": jobs, "seconds": seconds, "client_us": (time.process_time() - cpu) * 1e6 / jobs}


async def _run_async(adapter: Adapter, role: str, ns: range, sent: Journal | None) -> dict[str, float]:
    await adapter.open()
    try:
        start, cpu = time.perf_counter(), time.process_time()
        await _produce(adapter, role, ns, sent)
        return _measured(start, cpu, len(ns))
    finally:
        await adapter.close()


def main(adapter: Adapter | SyncAdapter) -> None:
    """Play the role that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("role", choices=["describe", "worker", "one", "tasks", "bulk", "pickup", "delay"])
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--sent", type=Path)
    args = parser.parse_args()
    ns = range(args.start, args.start + args.count)
    sent = Journal(args.sent, JOBS) if args.sent else None
    if args.role == "describe":
        print(json.dumps(adapter.describe()))
    elif isinstance(adapter, Adapter):
        if args.role == "worker":
            asyncio.run(adapter.worker())
        else:
            print(json.dumps(asyncio.run(_run_async(adapter, args.role, ns, sent))))
    elif args.role == "tasks":
        print(json.dumps({"unsupported": "no asyncio client"}))
    else:
        start, cpu = time.perf_counter(), time.process_time()
        _produce_sync(adapter, args.role, ns, sent)
        print(json.dumps(_measured(start, cpu, len(ns))))
