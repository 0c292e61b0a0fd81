"""The processes of a soak: workers with nexq's own Worker, and producers. Each is a fork of the warm driver.

A worker's store notes every claim and settle in the process's history, and has failpoints around its calls. At one of
them the worker may kill or stop itself: a real SIGKILL or SIGSTOP, only better aimed than from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nexq.depends import Context
from nexq.errors import BackendUnavailable, OutcomeUnknown
from nexq.ids import new_id
from nexq.job import Spec
from nexq.registry import Registry, make_spec
from nexq.retry import Retry
from nexq.store import Entry, Exchanged, Keep, Moves, Store
from nexq.worker.loop import Worker
from nexq.worker.settings import WorkerSettings
from nexq.worker.shutdown import run_until_signal
from tests.faults.soak_mutants import open_backend
from tests.faults.soak_plan import QUICK, SLOW, Plan
from tests.support.history import HistoryLog

#: Where a worker may end by itself.
POINTS = (
    "claim.before",
    "claim.in_flight",
    "claim.after_reply",
    "claim.noted",
    "run.before",
    "run.after",
    "settle.before",
    "settle.in_flight",
    "settle.after_reply",
)
#: Where a producer may end by itself.
ENQUEUE_POINTS = ("enqueue.before", "enqueue.in_flight", "enqueue.after_reply")
#: Nothing is dropped by its age or number while a soak looks at it.
KEEP = Keep(completed_count=10_000_000, dead_count=10_000_000)


@dataclass(frozen=True, slots=True)
class Fate:
    """How a worker ends: at the n-th time it comes to a failpoint; '' leaves it to the driver."""

    point: str = ""
    nth: int = 1
    how: signal.Signals = signal.SIGKILL


class Points:
    """The failpoints of one process."""

    def __init__(self, log: HistoryLog, fate: Fate) -> None:
        self._log = log
        self._fate = fate
        self._seen = 0

    def hit(self, name: str) -> None:
        """Here. What the fate says happens before the next line."""
        if name != self._fate.point:
            return
        self._seen += 1
        if self._seen == self._fate.nth:
            self._log.write("die", "", self._fate.how.name, point=name)
            os.kill(os.getpid(), self._fate.how)


class NotedMoves(Moves):
    """The moves of a worker, noted, with failpoints."""

    def __init__(self, moves: Moves, log: HistoryLog, points: Points) -> None:
        super().__init__(moves.backend, moves.namespace)
        self._log = log
        self._points = points

    async def exchange(self, queue: str, worker: str, nonce: str, **how: Any) -> Exchanged:
        completed, others = how.get("completed", ()), how.get("others", ())
        outcomes = [("complete", completed[i], completed[i + 1]) for i in range(0, len(completed), 3)]
        outcomes += [(others[i], others[i + 1], others[i + 2]) for i in range(0, len(others), 5)]
        # In the order of the tokens: of two outcomes of one job the older one is the stale one.
        outcomes.sort(key=lambda o: o[2])
        for kind, id, token in outcomes:
            self._log.write("settle", id.decode(), "call", token=token, kind=kind)
        loop = asyncio.get_running_loop()
        if outcomes:
            self._points.hit("settle.before")
            # The call is written at once, its answer is read in a later turn of the loop.
            loop.call_soon(self._points.hit, "settle.in_flight")
        if how["limit"]:
            self._points.hit("claim.before")
            loop.call_soon(self._points.hit, "claim.in_flight")
        reply = await super().exchange(queue, worker, nonce, **how)
        if reply.claims:
            self._points.hit("claim.after_reply")
        stale = Counter(reply.stale)
        for kind, id, token in outcomes:
            phase = "fail" if stale[id] > 0 else "ok"
            stale[id] -= 1
            self._log.write("settle", id.decode(), phase, token=token, kind=kind)
        for claim in reply.claims:
            self._log.write("claim", claim.id.decode(), token=claim.token, queue=queue)
        if outcomes:
            self._points.hit("settle.after_reply")
        if reply.claims:
            self._points.hit("claim.noted")
        return reply


class Flaky(Exception):
    """What a flaky job fails with."""


class _Here:
    """This process: what its handlers write to and where they may end."""

    log: HistoryLog
    points: Points


def _began(ctx: Context) -> None:
    _Here.points.hit("run.before")
    _Here.log.write("run", ctx.job.id, "call", token=ctx.token, at_ms=time.time() * 1000)


async def _work(ms: float, ctx: Context) -> None:
    _began(ctx)
    if ms > 1:
        await asyncio.sleep(ms / 1000)
    _Here.points.hit("run.after")


async def _flaky(fails: int, ctx: Context) -> None:
    _began(ctx)
    if ctx.attempt <= fails:
        raise Flaky


async def _poison(ctx: Context) -> None:
    _began(ctx)
    _Here.log.write("die", ctx.job.id, "SIGKILL", point="poison")
    os.kill(os.getpid(), signal.SIGKILL)


def make_registry() -> Registry:
    """The handlers of a soak, made before the first fork."""
    registry = Registry()
    retry = Retry(max_attempts=5, base=0.02, factor=1.0)
    for name, fn in (("work", _work), ("flaky", _flaky), ("poison", _poison)):
        spec = make_spec(name, fn, queue=QUICK, priority=5, timeout_s=None, retry=retry, mode="async", max_lost=3)
        spec.about()
        registry.add(spec)
    return registry


def work(
    plan: Plan, url: str, folder: Path, name: str, fate: Fate, queues: tuple[str, ...], registry: Registry
) -> None:
    """The life of a worker process."""

    async def main() -> None:
        log = _Here.log = HistoryLog(folder, name)
        points = _Here.points = Points(log, fate)
        store = Store(open_backend(url, plan.mutant))
        store.moves = NotedMoves(store.moves, log, points)
        settings = WorkerSettings(
            queues=queues,
            concurrency=plan.concurrency,
            lease_s=plan.lease_s,
            grace_s=plan.grace_s,
            keep=KEEP,
            id=name,
        )
        try:
            await run_until_signal(Worker(store, registry, settings))
        finally:
            await store.aclose()

    _log_errors(folder, name)
    asyncio.run(main())


def produce(plan: Plan, url: str, folder: Path, name: str, fate: Fate, seed: int) -> None:
    """The life of a producer process: enqueues until SIGTERM or its fate."""
    rng = random.Random(seed)

    async def main() -> None:
        log = _Here.log = HistoryLog(folder, name)
        _Here.points = Points(log, fate)
        store = Store(open_backend(url, plan.mutant))
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        while not stop.is_set():
            queue = SLOW if rng.random() < plan.slow else QUICK
            entries = [draw(rng, plan, queue) for _ in range(1 if queue == SLOW else rng.randint(1, 16))]
            await enqueue(store, log, queue, entries)
            await pace(store, stop, plan, len(entries))
        await store.aclose()

    _log_errors(folder, name)
    asyncio.run(main())


def draw(rng: random.Random, plan: Plan, queue: str) -> Entry:
    """A job of a random kind."""
    delay = f"@{time.time() * 1000 + rng.uniform(1, 400):.0f}" if rng.random() < plan.delayed else ""
    # One that is killed a lot must not be taken for poison: 9 is the most that is allowed.
    spec = Spec("work", b'{"ms":%d}' % rng.uniform(0, plan.busy_ms), rng.randint(0, 9), max_lost=9)
    if queue == SLOW:
        spec = Spec("work", b'{"ms":%d}' % rng.uniform(600, 1300), max_lost=9)
    elif rng.random() < plan.poison:
        spec = Spec("poison", b"{}", 9, max_lost=2)
    elif rng.random() < plan.flaky:
        spec = Spec("flaky", b'{"fails":%d}' % rng.randint(1, 3), max_lost=9)
    return Entry(new_id(), spec.pack(), delay)


async def enqueue(store: Store, log: HistoryLog, queue: str, entries: list[Entry]) -> None:
    """Enqueue, and note what was heard of it."""
    for entry in entries:
        more = {"run_at": float(entry.delay[1:])} if entry.delay else {}
        log.write("enqueue", entry.id, "call", poison=b"poison" in entry.spec, **more)
    _Here.points.hit("enqueue.before")
    asyncio.get_running_loop().call_soon(_Here.points.hit, "enqueue.in_flight")
    try:
        refused = await store.moves.enqueue(queue, entries)
        _Here.points.hit("enqueue.after_reply")
    except OutcomeUnknown:
        phases = ["unknown"] * len(entries)
    except BackendUnavailable:
        phases = ["fail"] * len(entries)
    else:
        # A duplicate is a repeat of a call whose answer was lost.
        odd = {r.place for r in refused if r.why != "DUPLICATE"}
        phases = ["fail" if i in odd else "ok" for i in range(len(entries))]
    for entry, phase in zip(entries, phases, strict=True):
        log.write("enqueue", entry.id, phase)


async def pace(store: Store, stop: asyncio.Event, plan: Plan, count: int) -> None:
    """Keep to the rate, and wait while too much lies there."""
    pause_s = count * plan.producers / plan.rate
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause_s)
        try:
            counts = (await store.views.queue(QUICK)).counts
        except BackendUnavailable:
            continue
        if sum(n for state, n in counts.items() if not state.ended) < plan.backlog:
            return
        pause_s = 0.02


class _Errors(logging.Filter):
    """Errors, but for those of the jobs themselves, which are meant."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR and not str(record.msg).startswith("job %s: ")


def _log_errors(folder: Path, name: str) -> None:
    """What goes wrong inside a process is written to errors.log, which has to stay empty."""
    handler = logging.FileHandler(folder / "errors.log", delay=True)
    handler.setFormatter(logging.Formatter(f"{name} %(name)s: %(message)s"))
    handler.addFilter(_Errors())
    logging.getLogger().addHandler(handler)
