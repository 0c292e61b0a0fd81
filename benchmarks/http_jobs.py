"""How long do 5,000 `http:request` jobs take against a server that takes 2 s each, at concurrency 1,000 on one worker?

``python -m benchmarks.http_jobs [--jobs 5000] [--concurrency 1000] [--seconds 2] [--server valkey] [--peers]``. The
ideal is jobs / concurrency * seconds. Beside nexq, in the same run: a floor, raw sockets that send the same requests
with the same concurrency; with --peers also plain httpx, with the pool it has and with a client for each request.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from benchmarks.bench import report
from benchmarks.bench.server import Server, find_server
from benchmarks.bench.subject import ROOT, process_seconds
from nexq import JobState, Nexq

MOST_OF_IDEAL = 1.5
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"ok":true}'


class Slow(asyncio.Protocol):
    """Answers each request after some seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._transport: Any = None
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Requests without a body."""
        self._buffer += data
        while b"\r\n\r\n" in self._buffer:
            _, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            asyncio.get_running_loop().call_later(self._seconds, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(ANSWER)


async def serve(seconds: float) -> None:
    """Be the slow server: print the port, go on until killed."""
    server = await asyncio.get_running_loop().create_server(lambda: Slow(seconds), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextlib.contextmanager
def slow_server(seconds: float) -> Iterator[int]:
    """The slow server's port."""
    command = [sys.executable, "-m", "benchmarks.http_jobs", "--serve", str(seconds)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def all_of(jobs: int, concurrency: int, one: Callable[[], Awaitable[None]]) -> float:
    """Run so many calls, so many at once; seconds."""
    left = iter(range(jobs))

    async def lane() -> None:
        for _ in left:
            await one()

    began = time.monotonic()
    await asyncio.gather(*(lane() for _ in range(concurrency)))
    return time.monotonic() - began


async def floor(port: int, jobs: int, concurrency: int) -> float:
    """Raw sockets, kept open."""
    kept: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def one() -> None:
        reader, writer = kept.pop() if kept else await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert await reader.readexactly(len(ANSWER)) == ANSWER
        kept.append((reader, writer))

    took = await all_of(jobs, concurrency, one)
    for _, writer in kept:
        writer.close()
    return took


async def httpx_pool(port: int, jobs: int, concurrency: int) -> float:
    """One httpx client with its own pool."""
    import httpx

    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(trust_env=False, timeout=None, limits=limits) as client:

        async def one() -> None:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200

        return await all_of(jobs, concurrency, one)


async def httpx_each(port: int, jobs: int, concurrency: int) -> float:
    """A client of httpx for each request, with one TLS context for all."""
    import httpx

    context = httpx.create_ssl_context()

    async def one() -> None:
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=None) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).status_code == 200

    return await all_of(jobs, concurrency, one)


async def nexq(url: str, port: int, jobs: int, concurrency: int) -> dict[str, float]:
    """The jobs are queued beforehand; from the first start to the last end, by the server's clock."""
    app = Nexq(url)
    # Known to no worker yet, so that the run begins with everything queued.
    from nexq.modules.http import module, request

    app.include(module)
    await app.enqueue_many(request.bind(f"http://127.0.0.1:{port}/") for _ in range(jobs))
    env = os.environ | {"NEXQ_URL": url, "NEXQ_HTTP_ALLOW": "127.0.0.1"}
    command = [sys.executable, "-m", "nexq", "worker", "--concurrency", str(concurrency), "--log-level", "warning"]
    with subprocess.Popen(command, cwd=ROOT, env=env) as worker:
        try:
            store = await app.store()
            started, before = None, 0.0
            while True:
                view = await store.views.queue("default")
                if started is None and view.counts.get(JobState.RUNNING, 0):
                    started, before = time.monotonic(), process_seconds(worker.pid)
                if view.counts.get(JobState.COMPLETED, 0) >= jobs:
                    took = time.monotonic() - (started or 0.0)
                    used = process_seconds(worker.pid) - before
                    break
                if view.counts.get(JobState.DEAD, 0) or worker.poll() is not None:
                    raise SystemExit(f"jobs failed: {view.counts}, worker exit {worker.poll()}")
                await asyncio.sleep(0.02)
        finally:
            worker.terminate()
    await app.aclose()
    return {"took_s": took, "cpu_us": used * 1e6 / jobs}


def main() -> None:
    """Measure, print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_jobs", description=__doc__)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--concurrency", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--server", choices=["redis", "valkey"], default="valkey")
    parser.add_argument("--peers", action="store_true", help="plain httpx too; takes long")
    args = parser.parse_args()
    if args.serve is not None:
        asyncio.run(serve(args.serve))
        return
    ideal_s = args.jobs / args.concurrency * args.seconds
    rows: dict[str, dict[str, float | str]] = {}
    peers = {"httpx, a client each": httpx_each, "httpx, its pool": httpx_pool} if args.peers else {}
    with slow_server(args.seconds) as port, Server(find_server(args.server)) as server:
        for name, run in {"floor: raw sockets": floor, **peers}.items():
            began = time.process_time()
            try:
                took_s = asyncio.run(run(port, args.jobs, args.concurrency))
                rows[name] = {"took_s": took_s, "cpu_us": (time.process_time() - began) * 1e6 / args.jobs}
            except Exception as error:
                rows[name] = {"error": f"{type(error).__name__}: {error}"}
        rows["nexq http:request"] = dict(asyncio.run(nexq(server.url, port, args.jobs, args.concurrency)))
    print(f"\n{args.jobs:,} requests of {args.seconds:g} s, {args.concurrency:,} at once; ideal {ideal_s:g} s\n")
    print("| | s | x ideal | client µs/request |\n|---|---:|---:|---:|")
    for name, row in rows.items():
        if "error" in row:
            print(f"| {name} | {row['error']} | | |")
        else:
            print(f"| {name} | {row['took_s']:.2f} | {float(row['took_s']) / ideal_s:.2f} | {row['cpu_us']:.0f} |")
    reached = float(rows["nexq http:request"]["took_s"]) / ideal_s
    print(f"\n{'reached' if reached <= MOST_OF_IDEAL else 'MISSED'}: {reached:.2f} x ideal, wanted {MOST_OF_IDEAL}")
    print(report.machine())


if __name__ == "__main__":
    main()
