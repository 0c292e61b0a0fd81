"""nexq on Pogocache, against the real server: ``python -m benchmarks.pogocache --server PATH_OR_URL``.

Each question stands beside its floor in the same run: plain SET NX commits of entries of the same size by one blocking
client, which applies nothing. `--full` asks with the sizes of the targets: a log and a queue of 1,000,000.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import report
from benchmarks.bench.pogo import PogoServer, commits_per_s, find_pogocache, scratch
from benchmarks.bench.run import Crew
from benchmarks.bench.stats import percentile
from benchmarks.bench.subject import ROOT, Subject, WorkerProcess
from benchmarks.peers.base import Journal
from nexq import Nexq
from nexq.backends import connect
from nexq.states import JobState
from nexq.store import Store

Figures = dict[str, float]
SAYS: dict[str, str] = {
    "bulk_per_s": "bulk enqueue, jobs/s",
    "drain_1_per_s": "drain, one worker process, jobs/s",
    "drain_2_per_s": "drain, two worker processes, jobs/s",
    "idle_p50_ms": "pickup p50, idle (a job each 0.4-0.8 s), ms",
    "rest_p50_ms": "pickup p50, at rest (a job each 3.0-3.3 s), ms",
    "busy_p50_ms": "pickup p50, busy (a job each 5-10 ms), ms",
    "idle_commands_per_s": "commands/s of an idle worker",
    "idle_cpu_percent": "CPU of an idle worker, %",
    "join_s": "join of a long log, s",
    "memory_growth": "server memory at the end of many jobs / at their half",
}
TARGETS: dict[str, tuple[str, float]] = {
    "bulk_per_s": (">=", 20_000),
    "drain_1_per_s": (">=", 8_000),
    "drain_2_per_s": (">=", 10_000),
    "idle_p50_ms": ("<=", 15),
    "rest_p50_ms": ("<=", 15),
    "busy_p50_ms": ("<=", 3),
    "idle_commands_per_s": ("<=", 50),
    "idle_cpu_percent": ("<=", 2),
    "join_s": ("<=", 2),
    "memory_growth": ("<=", 1.1),
}

#: A job that is gone is remembered for a minute: memory can be flat only after that long.
ONLY_FULL = {"memory_growth"}


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    jobs: int = 20_000
    idle_pickups: int = 30
    rest_pickups: int = 10
    busy_pickups: int = 300
    idle_s: float = 10.0
    operations: int = 100_000
    memory_jobs: int = 100_000
    #: Jobs go through for so long before they count.
    memory_warm_s: float = 0.0


FULL = Sizes(
    jobs=50_000,
    idle_pickups=60,
    rest_pickups=20,
    busy_pickups=1000,
    operations=1_000_000,
    memory_jobs=1_000_000,
    memory_warm_s=70.0,
)


class PogoCrew(Crew):
    """Workers on Pogocache. There is no server to ask what is left: a client of the store has to."""

    def assert_all_done(self) -> None:
        """Every job has to be completed."""
        asyncio.run(_assert_completed(self.server.url, self.jobs))


async def _assert_completed(url: str, jobs: int) -> None:
    store = Store(connect(url))
    try:
        deadline = time.monotonic() + 30
        while (done := (await store.views.queue("default")).totals.get("completed", 0)) < jobs:
            assert time.monotonic() < deadline, f"{done} of {jobs} jobs are completed"
            await asyncio.sleep(0.02)
    finally:
        await store.aclose()


@contextmanager
def crew(server: PogoServer, jobs: int) -> Iterator[PogoCrew]:
    """A crew that is stopped at the end."""
    with scratch() as folder:
        band = PogoCrew(Subject("nexq"), server, jobs, Path(folder))  # type: ignore[arg-type]
        try:
            yield band
        finally:
            band.stop()


def made_since(server: PogoServer, position: int = 0) -> tuple[int, float]:
    """How many entries were written after a position, and the mean size of those that are still there."""
    keys = server.wire.ask(("KEYS", f"{log_of(server)}:log:*"))[0]
    numbers = {key: int(key.rpartition(b":")[2]) for key in keys}
    later = [key for key in keys if numbers[key] > position]
    pages = [later[at : at + 500] for at in range(0, len(later), 500)]
    sizes = [len(value) for page in pages for value in server.wire.ask(("MGET", *page))[0] if value is not None]
    return max(numbers.values(), default=position) - position, sum(sizes) / max(1, len(sizes))


def log_of(server: PogoServer) -> str:
    """The name of the log."""
    return server.url.rpartition("/")[2].partition("?")[0]


def beside_floor(server: PogoServer, jobs: int, seen: tuple[int, float]) -> Figures:
    """What plain commits of so many jobs each would do."""
    entries, size = seen
    per_s = commits_per_s(server, round(size))
    return {"floor_jobs_per_s": per_s * jobs / max(1, entries), "jobs_per_entry": jobs / max(1, entries)}


def bulk(given: str, sizes: Sizes) -> Figures:
    """One client, 1,000 jobs a call."""
    with PogoServer(given) as server:
        subject = Subject("nexq")
        subject.produce("bulk", server.url, sizes.jobs + 1000, count=1000)
        made = subject.produce("bulk", server.url, sizes.jobs + 1000, start=1000)
        floor = beside_floor(server, sizes.jobs + 1000, made_since(server))
        return {"bulk_per_s": sizes.jobs / made["seconds"], "client_us": made["client_us"]} | floor


def drain(given: str, sizes: Sizes, processes: int) -> Figures:
    """All queued beforehand; from the first handler's start to the last one's, every job checked to be completed.

    With two processes the clock starts when both have run a job, and only jobs from then on count.
    """
    with PogoServer(given) as server, crew(server, sizes.jobs) as band:
        band.subject.produce("bulk", server.url, sizes.jobs)
        before, (queued, _) = server.cpu(), made_since(server)
        for _ in range(processes):
            band.start()
        band.wait_started()
        band.wait(lambda: band.note_starts() > 0 and band.ran() >= sizes.jobs, 120)
        end = max(max(journal.stamps) for journal in band.journals)
        used, server_s, together = band.job_cpu(), server.cpu() - before, band.all_started()
        band.assert_all_done()
        made = made_since(server, queued)
        return {
            f"drain_{processes}_per_s": band.ran_since(together) / (end - together),
            "worker_us_per_job": used * 1e6 / sizes.jobs,
            "server_us_per_job": server_s * 1e6 / sizes.jobs,
            "extra_runs": band.extra_runs(),
        } | beside_floor(server, sizes.jobs, made)


def pickup(given: str, jobs: int, gap_s: tuple[float, float], name: str, warm: int = 10) -> Figures:
    """From just before the enqueue call in one process to the handler's first line in another."""
    with PogoServer(given) as server, crew(server, jobs + warm) as band:
        band.start()
        sent = asyncio.run(_send(server.url, jobs + warm, gap_s, band, warm))
        band.wait(lambda: band.ran() >= jobs + warm, 60)
        late = [(band.journals[0].stamps[n] - sent[n]) * 1000 for n in range(warm, jobs + warm)]
    figures = {f"{name}_p50_ms": percentile(late, 0.5), "p99_ms": percentile(late, 0.99), "max_ms": max(late)}
    return figures | {"machine_after_such_a_rest_x": slower_after(sum(gap_s) / 2)}


def slower_after(rest_s: float) -> float:
    """How many times as long the same Python code takes after a rest: what the machine adds to each step by itself."""

    def work() -> float:
        started = time.perf_counter()
        for number in range(100):
            json.loads(json.dumps({"number": number, "text": [str(n) for n in range(20)]}))
        return time.perf_counter() - started

    warm, rested = [work() for _ in range(20)], list[float]()
    for _ in range(5):
        time.sleep(rest_s)
        rested.append(work())
    return percentile(rested, 0.5) / percentile(warm, 0.5)


async def _send(url: str, jobs: int, gap_s: tuple[float, float], band: Crew, warm: int) -> list[float]:
    """Some jobs to warm up, then the others, one after each gap. When each was sent."""
    app, draw, sent = Nexq(url), random.Random(7), list[float]()
    for n in range(jobs):
        if n == warm:
            await asyncio.to_thread(band.wait, lambda: band.ran() >= warm, 60)
        await asyncio.sleep(draw.uniform(*gap_s))
        sent.append(time.time())
        await app.enqueue("send_email", {"to": "user@example.com", "n": n})
    await app.aclose()
    return sent


def idle(given: str, sizes: Sizes) -> Figures:
    """After one job and three seconds of rest: the worker's processor time, then what it sends (MONITOR).

    One after the other: a process that MONITOR wakes at each command takes the worker's caches from it.
    """
    with PogoServer(given) as server, crew(server, 1) as band:
        band.subject.produce("one", server.url, 1)
        band.start()
        band.wait(lambda: band.ran() >= 1, 60)
        time.sleep(3)
        worker, before, clock = band.cpu(), server.cpu(), time.monotonic()
        time.sleep(sizes.idle_s)
        seconds = time.monotonic() - clock
        used, server_used = band.cpu() - worker, server.cpu() - before
        sent = server.watch_commands(sizes.idle_s)
        return {
            "idle_commands_per_s": len([name for name in sent if name != "MONITOR"]) / sizes.idle_s,
            "idle_cpu_percent": used * 100 / seconds,
            "server_cpu_percent": server_used * 100 / seconds,
        }


def join(given: str, sizes: Sizes) -> Figures:
    """A log of many operations; a new process: from its connect() to the answer of its first read.

    The operations are enqueues of one job, over and over: each is logged and applied, and the state stays small.
    """
    with PogoServer(given) as server:
        per_s = asyncio.run(_fill(server.url, sizes.operations))
        code = "import sys; from benchmarks.pogocache import join_once; join_once(sys.argv[1])"
        command = [sys.executable, "-c", code, server.url]
        took = [
            float(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)
            for _ in range(3)
        ]
        return {"join_s": max(took), "operations": sizes.operations, "operations_per_s": per_s}


async def _fill(url: str, operations: int) -> float:
    from nexq.job import Spec
    from nexq.store import Entry

    store, entry = Store(connect(url)), Entry("the-one", Spec(type="t", payload=b"{}").pack())
    turns = iter(range(operations))

    async def repeat() -> None:
        for _ in turns:
            await store.moves.enqueue("default", [entry])

    started = time.monotonic()
    await asyncio.gather(*(repeat() for _ in range(200)))
    seconds = time.monotonic() - started
    await store.aclose()
    return operations / seconds


def join_once(url: str) -> None:
    """Join, read, print the seconds."""

    async def main() -> float:
        started = time.monotonic()
        store = Store(connect(url))
        view = await store.views.queue("default")
        took = time.monotonic() - started
        assert sum(view.counts.values()) == 1, view.counts
        await store.aclose()
        return took

    print(asyncio.run(main()))


def memory(given: str, sizes: Sizes) -> Figures:
    """Jobs through one worker that keeps 1,000 completed ones; the server's resident size at each tenth."""
    with PogoServer(given) as server, scratch() as folder:
        journal = Path(folder) / "journal"
        Journal.create(journal, sizes.memory_jobs)
        subject = Subject("nexq")
        env = os.environ | {"PYTHONPATH": str(ROOT), "BENCH_URL": server.url, "BENCH_JOBS": str(sizes.memory_jobs)}
        env |= {"BENCH_JOURNAL": str(journal), "NEXQ_URL": server.url, "NEXQ_KEEP_COMPLETED_COUNT": "1000"}
        worker = WorkerProcess(list(subject.about["worker"]), env)
        try:
            rss = asyncio.run(_feed(server, sizes))
        finally:
            worker.stop()
        half = rss[len(rss) // 2]
        figures = {f"rss_mib_{n}0%": size for n, size in enumerate(rss)}
        return {"memory_growth": rss[-1] / half, "jobs": sizes.memory_jobs} | figures


async def _feed(server: PogoServer, sizes: Sizes) -> list[float]:
    """Enqueue in tenths, after some that do not count. The server's resident size, MiB, when the queue is empty."""
    app = Nexq(server.url)

    @app.handler("send_email")
    async def send_email(to: str, n: int) -> None:
        """What the worker runs, by its name."""

    store, tenth = Store(connect(server.url)), sizes.memory_jobs // 10

    async def through(numbers: range) -> float:
        for at in range(0, len(numbers), 1000):
            await app.enqueue_many(send_email.bind(to="user@example.com", n=n) for n in numbers[at : at + 1000])
        while True:
            counts = (await store.views.queue("default")).counts
            if not sum(n for state, n in counts.items() if state is not JobState.COMPLETED):
                return _rss(server)
            await asyncio.sleep(0.05)

    counted_from = time.monotonic() + sizes.memory_warm_s
    while time.monotonic() < counted_from:
        await through(range(tenth))
    rss = [_rss(server)]
    for at in range(0, sizes.memory_jobs, tenth):
        rss.append(await through(range(at, at + tenth)))
        print(f"  memory: {at + tenth:,} jobs, {rss[-1]:.0f} MiB", file=sys.stderr, flush=True)
    await store.aclose()
    await app.aclose()
    return rss


def _rss(server: PogoServer) -> float:
    return int(server.stats()["rss"]) / 2**20


QUESTIONS: dict[str, Callable[[str, Sizes], Figures]] = {
    "bulk": bulk,
    "drain1": lambda given, sizes: drain(given, sizes, 1),
    "drain2": lambda given, sizes: drain(given, sizes, 2),
    "idle": idle,
    "pickup_idle": lambda given, sizes: pickup(given, sizes.idle_pickups, (0.4, 0.8), "idle"),
    "pickup_rest": lambda given, sizes: pickup(given, sizes.rest_pickups, (3.0, 3.3), "rest", warm=2),
    "pickup_busy": lambda given, sizes: pickup(given, sizes.busy_pickups, (0.005, 0.010), "busy"),
    "join": join,
    "memory": memory,
}


def table(results: dict[str, Figures], *, full: bool) -> str:
    """Each figure beside its target, and what else was seen of it."""
    lines = ["| measure | figure | target | reached | beside it |", "|---|---|---|---|---|"]
    for figures in results.values():
        for name in [name for name in figures if name in SAYS]:
            sign, bound = TARGETS[name]
            reached = figures[name] >= bound if sign == ">=" else figures[name] <= bound
            beside = ", ".join(f"{k} {report.number(v)}" for k, v in figures.items() if k not in SAYS)
            shown = {">=": "≥", "<=": "≤"}[sign] + f" {report.number(bound)}"
            yes = "yes" if reached else "NO" if full or name not in ONLY_FULL else "ask with --full"
            lines.append(f"| {SAYS[name]} | {report.number(figures[name])} | {shown} | {yes} | {beside} |")
    return "\n".join(lines)


def main() -> None:
    """Ask what the command line says, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pogocache", description=__doc__)
    parser.add_argument("--server", default="", help="path of a pogocache binary, or pogocache://host:port")
    parser.add_argument("--only", default=",".join(QUESTIONS), help="comma list of questions")
    parser.add_argument("--full", action="store_true", help="with 1,000,000 operations and jobs")
    args = parser.parse_args()
    if unknown := set(args.only.split(",")) - set(QUESTIONS):
        parser.error(f"no such question: {', '.join(sorted(unknown))}; there are {', '.join(QUESTIONS)}")
    given, sizes = find_pogocache(args.server), FULL if args.full else Sizes()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers and workers are stopped then too
    machine = report.machine()
    with PogoServer(given) as server:
        version = server.stats()["version"]
    results: dict[str, Figures] = {}
    for name in args.only.split(","):
        started = time.monotonic()
        results[name] = QUESTIONS[name](given, sizes)
        shown = " ".join(f"{k}={report.number(v)}" for k, v in results[name].items())
        print(f"{name}: {shown} [{time.monotonic() - started:.1f} s]", file=sys.stderr, flush=True)
    print(table(results, full=args.full))
    print(f"\nPogocache {version}\n{json.dumps(machine)}")
    document = {"machine": machine, "server": {"kind": "pogocache", "version": version}, "results": results}
    print(f"written: {report.save(document)}")


if __name__ == "__main__":
    main()
