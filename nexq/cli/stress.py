"""`nexq stress`: submit no-op jobs, have them run, and say how fast that was."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Protocol

import orjson
import typer

from nexq.app import Handler, Nexq
from nexq.cli import logs
from nexq.cli.common import PATIENCE_S, AllowUnsafe, Json, Namespace, Url, export, note, run_async
from nexq.cli.output import print_facts, print_json, print_table, span
from nexq.cli.queues import purge_state
from nexq.errors import ConfigError
from nexq.states import JobState
from nexq.store import Keep, QueueView, Store
from nexq.worker.settings import WorkerSettings

CHUNK = 500
#: At a given rate, what is due is submitted this often.
TICK_S = 0.01
LOOK_S = 0.05


@dataclass
class Run:
    """What happened. Times are Unix seconds of this machine's clock."""

    jobs: int
    concurrency: int
    payload_bytes: int
    url: str
    #: What the server's clock is ahead of this machine's.
    ahead_s: float = 0.0
    enqueue_s: float = 0.0
    drain_s: float | None = None
    errors: int = 0
    pickup_s: list[float] = field(default_factory=list)
    total_s: list[float] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-able data; latencies in ms."""
        return {
            "jobs": self.jobs,
            "concurrency": self.concurrency,
            "payload_bytes": self.payload_bytes,
            "url": self.url,
            "enqueue_s": round(self.enqueue_s, 4),
            "enqueue_per_s": round(self.jobs / self.enqueue_s, 1),
            "drain_s": None if self.drain_s is None else round(self.drain_s, 4),
            "drain_per_s": None if self.drain_s is None else round(self.jobs / self.drain_s, 1),
            "measured": len(self.total_s),
            "errors": self.errors,
            "pickup_ms": quantiles(self.pickup_s),
            "total_ms": quantiles(self.total_s),
        }


class Show(Protocol):
    """Shows progress."""

    def __call__(self, *, enqueued: int | None = None, done: int | None = None) -> None:
        """So many are enqueued, so many are done."""
        ...


def stress(
    jobs: Annotated[int, typer.Option("--jobs", "-n", min=1, max=10_000_000, help="How many.")] = 10_000,
    rate: Annotated[float | None, typer.Option("--rate", help="Jobs a second. Default: as fast as it goes")] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", "-c", min=1, max=10_000, help="Jobs at once.")] = 100,
    payload_bytes: Annotated[
        int, typer.Option("--payload-bytes", min=0, max=200_000, help="Bytes of payload beside the usual.")
    ] = 0,
    workers: Annotated[bool, typer.Option("--workers/--no-workers", help="Run a worker in this process.")] = True,
    json: Json = False,
    url: Url = None,
    namespace: Namespace = None,
    allow_unsafe: AllowUnsafe = False,
) -> None:
    """Submit no-op jobs to the queue `stress`, and report rates and latencies."""
    if rate is not None and not 0 < rate < 1e7:
        raise ConfigError(f"Expected the rate to be a positive number of jobs a second, got {rate!r}.")
    logs.quiet()
    export(url=url, namespace=namespace, allow_unsafe=allow_unsafe)
    from nexq.demo import add_stress

    app = Nexq(patience=PATIENCE_S)
    with _progress(jobs) as show:
        run = run_async(_stress(app, add_stress(app), jobs, rate, concurrency, payload_bytes, workers, show))
    if json:
        print_json(run.as_dict())
    else:
        _print(run)
    raise typer.Exit(1 if run.errors else 0)


async def _stress(
    app: Nexq,
    handler: Handler[..., float],
    jobs: int,
    rate: float | None,
    concurrency: int,
    payload_bytes: int,
    workers: bool,
    show: Show,
) -> Run:
    queue = handler.spec.queue
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app)
        store = await app.store()
        run = Run(jobs, concurrency, payload_bytes, store.backend.url)
        run.ahead_s = await _ahead(store, queue)
        before = await store.views.queue(queue)
        left_over = _waiting(before)
        if left_over:
            note(f"{left_over:,} jobs of an earlier run are still there; they run first.")
        if workers:
            keep = Keep(completed_count=10 * jobs + 100_000)
            settings = WorkerSettings(queues=(queue,), concurrency=concurrency, keep=keep)
            await stack.enter_async_context(app.worker(settings=settings))
        served = workers or any(
            w.alive and queue in w.info.get("queues", ()) for w in (await store.views.directory()).workers
        )
        drained = asyncio.create_task(_until_ended(store, queue, _ended(before) + left_over, jobs, show))
        stack.callback(drained.cancel)
        began = time.time()
        ids = await _submit(app, handler, jobs, rate, "x" * payload_bytes, show)
        run.enqueue_s = time.time() - began
        if not served:
            note(f"No worker serves the queue {queue!r}; the jobs wait for `nexq worker nexq.demo:app`.")
            return run
        await drained
        await _measure(store, queue, ids, began, run)
        await purge_state(store, queue, JobState.COMPLETED)
    return run


async def _submit(
    app: Nexq, handler: Handler[..., float], jobs: int, rate: float | None, pad: str, show: Show
) -> list[str]:
    """Submit the jobs, all at once or at a rate. Their ids."""
    ids: list[str] = []
    began = time.monotonic()
    while len(ids) < jobs:
        due = jobs if rate is None else min(jobs, int((time.monotonic() - began) * rate) + 1)
        count = min(CHUNK, due - len(ids))
        if count > 0:
            sent = time.time()
            calls = [handler.bind(sent=sent, pad=pad) for _ in range(count)]
            ids += [job.id for job in await app.enqueue_many(calls)]
            show(enqueued=len(ids))
        if rate is not None and len(ids) < jobs:
            await asyncio.sleep(TICK_S)
    return ids


async def _until_ended(store: Store, queue: str, before: int, jobs: int, show: Show) -> None:
    """Wait until so many more jobs have ended than before."""
    done = 0
    while done < jobs:
        done = _ended(await store.views.queue(queue)) - before
        show(done=max(0, min(done, jobs)))
        await asyncio.sleep(LOOK_S if done < jobs else 0)


async def _measure(store: Store, queue: str, ids: Sequence[str], began: float, run: Run) -> None:
    """Read what became of each job: when it was sent, when it started, when its end was recorded."""
    last = began
    for start in range(0, len(ids), CHUNK):
        for record in await store.views.get_many(queue, ids[start : start + CHUNK]):
            if record is None:
                # Its retention, set by another worker, is over already.
                continue
            if record.state is not JobState.COMPLETED or record.result is None:
                run.errors += 1
                continue
            sent = orjson.loads(record.spec.payload)["sent"]
            ended = record.score_ms / 1000 - run.ahead_s
            last = max(last, ended)
            run.pickup_s.append(max(0.0, orjson.loads(record.result) - sent))
            run.total_s.append(max(0.0, ended - sent))
    run.drain_s = max(1e-6, last - began)


async def _ahead(store: Store, queue: str) -> float:
    """What the server's clock is ahead, from the quickest of some round trips."""
    trips = []
    for _ in range(5):
        began = time.time()
        now_ms = (await store.views.queue(queue)).now_ms
        ended = time.time()
        trips.append((ended - began, now_ms / 1000 - (began + ended) / 2))
    return min(trips)[1]


def _ended(view: QueueView) -> int:
    return sum(view.totals.get(s.value, 0) for s in (JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED))


def _waiting(view: QueueView) -> int:
    return sum(n for state, n in view.counts.items() if not state.ended)


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """p50, p90, p99 and the largest, in ms; None for no values."""
    if not values:
        return None
    ordered = sorted(values)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)

    return {"p50": at(0.5), "p90": at(0.9), "p99": at(0.99), "max": at(1.0)}


def _print(run: Run) -> None:
    facts = run.as_dict()
    print_facts(
        (
            ("jobs", run.jobs),
            ("kept in", run.url),
            ("enqueued", f"{facts['enqueue_per_s']:,.0f}/s  ({span(run.enqueue_s)})"),
            ("run", None if run.drain_s is None else f"{facts['drain_per_s']:,.0f}/s  ({span(run.drain_s)})"),
            ("errors", run.errors),
        )
    )
    rows = [
        (name, *(span(value / 1000) for value in facts[key].values()))
        for name, key in (("enqueue to start", "pickup_ms"), ("enqueue to end", "total_ms"))
        if facts[key]
    ]
    if rows:
        typer.echo()
        columns = ("p50", "p90", "p99", "max")
        print_table(("latency", *columns), rows, "", numbers=columns)


@contextmanager
def _progress(jobs: int) -> Iterator[Show]:
    """Two bars, on a terminal."""
    if not sys.stderr.isatty():
        yield lambda *, enqueued=None, done=None: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks = {"enqueued": bar.add_task("enqueued", total=jobs), "done": bar.add_task("done", total=jobs)}

        def show(*, enqueued: int | None = None, done: int | None = None) -> None:
            if enqueued is not None:
                bar.update(tasks["enqueued"], completed=enqueued)
            if done is not None:
                bar.update(tasks["done"], completed=done)

        yield show
