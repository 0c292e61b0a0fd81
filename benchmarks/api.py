"""How fast is the API? POST /api/jobs on one server process, beside a bare Starlette JSON echo; batches; latency.

``python -m benchmarks.api [--server valkey] [--repeat 3] [--quick]``. The server is `nexq server`, as a user starts it.
The load as fast as answers come is wrk's where that is installed, else, and by the clock, that of a process here:
asyncio, raw sockets, kept alive.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.bench import report
from benchmarks.bench.api_apps import serve_echo
from benchmarks.bench.server import Server, find_server, free_port
from benchmarks.bench.stats import percentile, spread
from benchmarks.bench.subject import ROOT, process_seconds

ONE = b'{"type":"send_email","payload":{"to":"user@example.com","n":1},"priority":5}'
BATCH = b'{"jobs":[' + b",".join([ONE] * 1000) + b"]}"
RATE = 1000
TARGETS = (
    ("nexq", "per_s", "at least", 3000.0),
    ("nexq", "of_echo", "at least", 0.5),
    ("nexq", "p99_ms", "at most", 25.0),
    ("nexq", "batch_jobs_per_s", "at least", 30000.0),
)
COLUMNS = {
    "per_s": "requests/s, 32 connections",
    "of_echo": "of the echo's rate",
    "cpu_us": "server µs/request",
    "p50_ms": "p50 ms at 1,000/s",
    "p99_ms": "p99 ms at 1,000/s",
    "batch_jobs_per_s": "jobs:batch, jobs/s",
    "batch_cpu_us": "server µs/job",
}


class Connection(asyncio.Protocol):
    """One kept-alive connection: a request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._waiting: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
        if len(body) >= length and self._waiting is not None:
            self._buffer = b""
            self._waiting.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        """See asyncio.Protocol."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error or ConnectionError("the server ended the connection"))

    async def ask(self, request: bytes) -> None:
        """Send a request and wait for its answer. Raises ConnectionError for one that was not taken."""
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        status = await self._waiting
        if status != 202:
            raise ConnectionError(f"the server answered {status}")


def request(path: str, body: bytes) -> bytes:
    """A POST of JSON."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


async def load(port: int, role: str, seconds: float, connections: int) -> dict[str, Any]:
    """The load: `one` and `batch` as fast as answers come, `rate` at 1,000 requests/s by the clock."""
    loop = asyncio.get_running_loop()
    links = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(connections)]
    sent = request("/api/jobs:batch", BATCH) if role == "batch" else request("/api/jobs", ONE)
    for link in links:
        await link.ask(sent)
    started = loop.time()
    late: list[float] = []
    done = 0

    async def closed(link: Connection) -> None:
        nonlocal done
        while loop.time() - started < seconds:
            await link.ask(sent)
            done += 1

    async def opened(link: Connection, turn: int) -> None:
        nonlocal done
        while True:
            due = started + turn / RATE
            if due - started > seconds:
                return
            await asyncio.sleep(due - loop.time())
            await link.ask(sent)
            late.append((loop.time() - due) * 1000)
            turn += connections
            done += 1

    await asyncio.gather(*(opened(link, i) if role == "rate" else closed(link) for i, link in enumerate(links)))
    took = loop.time() - started
    measured = {"done": done, "seconds": took}
    return measured | {"p50_ms": percentile(late, 0.5), "p99_ms": percentile(late, 0.99)} if late else measured


@contextlib.contextmanager
def serving(kind: str, url: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A server process that listens: its port and itself."""
    import socket

    port = free_port()
    nexq = [sys.executable, "-m", "nexq", "server", "benchmarks.bench.api_apps:app", "--port", str(port)]
    nexq += ["--url", url, "--log-level", "error"]
    command = nexq if kind == "nexq" else [*_self(), "echo", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=_env(), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the {kind} server did not start") from None
                time.sleep(0.02)
        yield port, process
    finally:
        process.terminate()
        process.wait(10)


def run_wrk(wrk: str, port: int, seconds: float, connections: int) -> dict[str, Any]:
    """The load `one` from wrk. Raises SystemExit when an answer is not 2xx, or a connection fails."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f"wrk.method = 'POST'\nwrk.body = [[{ONE.decode()}]]\nwrk.headers['Content-Type'] = 'application/json'\n"
            "done = function(s)\n"
            "  local e = s.errors\n"
            "  print('DONE', s.requests, s.duration, e.connect + e.read + e.write + e.status + e.timeout)\n"
            "end\n"
        )
        script.flush()
        command = [wrk, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}", "-s", script.name]
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}/api/jobs"], capture_output=True, text=True, timeout=120, check=True
        )
    _, requests, us, errors = done.stdout[done.stdout.index("DONE") :].split()
    if int(errors):
        raise SystemExit(f"wrk: {errors} of {requests} requests failed")
    return {"done": int(requests), "seconds": int(us) / 1e6}


def run_load(
    process: subprocess.Popen[bytes], port: int, role: str, seconds: float, connections: int
) -> dict[str, Any]:
    """One load in a process of its own, with what the server spent meanwhile."""
    before = process_seconds(process.pid)
    wrk = shutil.which("wrk")
    if role == "one" and wrk is not None:
        measured = run_wrk(wrk, port, seconds, connections)
    else:
        command = [*_self(), "load", str(port), role, str(seconds), str(connections)]
        done = subprocess.run(command, cwd=ROOT, env=_env(), capture_output=True, text=True, timeout=120, check=True)
        measured = json.loads(done.stdout)
    return {**measured, "cpu": process_seconds(process.pid) - before}


def measure(kind: str, program: str, seconds: float) -> dict[str, float]:
    """All figures of one subject on a fresh server."""
    with Server(program) as store, serving(kind, store.url) as (port, process):
        run_load(process, port, "one", 0.5, 32)
        full = run_load(process, port, "one", seconds, 32)
        steady = run_load(process, port, "rate", seconds, 32)
        measures = {
            "per_s": full["done"] / full["seconds"],
            "cpu_us": full["cpu"] * 1e6 / (full["done"] + 32),
            "p50_ms": steady["p50_ms"],
            "p99_ms": steady["p99_ms"],
        }
        if kind == "nexq":
            batch = run_load(process, port, "batch", seconds, 4)
            measures["batch_jobs_per_s"] = batch["done"] * 1000 / batch["seconds"]
            measures["batch_cpu_us"] = batch["cpu"] * 1e3 / (batch["done"] + 4)
        return measures


def main() -> None:
    """Measure, print the tables, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api")
    parser.add_argument("--server", choices=["redis", "valkey"], default="redis")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--quick", action="store_true", help="one run of 2 s each: to see that it works")
    args = parser.parse_args()
    if args.quick:
        args.repeat, args.seconds = 1, 2.0
    machine, program = report.machine(), find_server(args.server)
    runs: dict[str, list[dict[str, float]]] = {"echo": [], "nexq": []}
    for turn in range(args.repeat):
        for kind, measured in runs.items():
            measured.append(measure(kind, program, args.seconds))
            shown = " ".join(f"{name}={report.number(value)}" for name, value in measured[-1].items())
            print(f"{turn + 1}/{args.repeat} {kind}: {shown}", file=sys.stderr, flush=True)
        runs["nexq"][-1]["of_echo"] = runs["nexq"][-1]["per_s"] / runs["echo"][-1]["per_s"]
    rows: report.Rows = {
        kind: {"metrics": {name: spread([run[name] for run in measured]) for name in measured[0]}}
        for kind, measured in runs.items()
    }
    print(
        "## API: one server process\n\n| | " + " | ".join(COLUMNS.values()) + " |\n|---" + "|---" * len(COLUMNS) + "|"
    )
    for kind, row in rows.items():
        print(f"| {kind} | " + " | ".join(report.cell(row["metrics"].get(name)) for name in COLUMNS) + " |")
    print("\n| measure | target | figure | reached |\n|---|---|---|---|")
    for kind, name, sign, bound in TARGETS:
        figure = float(rows[kind]["metrics"][name]["median"])
        reached = figure >= bound if sign == "at least" else figure <= bound
        print(f"| {COLUMNS[name]} | {sign} {bound:g} | {report.number(figure)} | {'yes' if reached else 'NO'} |")
    document = {"machine": machine, "server": {"kind": args.server}, "options": vars(args), "results": {"api": rows}}
    print(f"\n{machine}\nwritten: {report.save(document)}")


def _self() -> list[str]:
    return [sys.executable, "-m", "benchmarks.api"]


def _env() -> dict[str, str]:
    here = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{here}" if here else str(ROOT)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["echo"]:
        serve_echo(int(sys.argv[2]))
    elif sys.argv[1:2] == ["load"]:
        print(json.dumps(asyncio.run(load(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]), int(sys.argv[5])))))
    else:
        main()
