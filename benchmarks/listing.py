"""How quick are the reads of a dashboard beside many jobs? Pages, searches, counts before a bulk move, the overview.

``python -m benchmarks.listing [--jobs 100000] [--server valkey]``; a million is `--jobs 1000000` and takes two minutes.
The server is `nexq server`, the client keeps its connection; the floor is `/livez`, which looks at nothing.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.api import serving
from benchmarks.bench import report
from benchmarks.bench.server import Server, find_server
from benchmarks.bench.stats import percentile
from nexq.app import Nexq
from nexq.job import Spec
from nexq.store import Entry

PAGES = 100
#: A job in so many is of a type of its own.
RARE = 10_000


async def fill(url: str, jobs: int) -> None:
    """Enqueue, 500 at a time."""
    async with Nexq(url, allow_unsafe=True) as app:
        store = await app.store()
        await store.members.register("default")
        for start in range(0, jobs, 500):
            numbers = range(start, min(start + 500, jobs))
            await store.moves.enqueue("default", [Entry(f"j{n:08}", spec(n)) for n in numbers])


def spec(n: int) -> bytes:
    """One job's."""
    kind = "rare" if n % RARE == 7 else "send_email"
    return Spec(kind, b'{"to":"user%d@example.com","n":%d}' % (n, n)).pack()


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listing")
    parser.add_argument("--server", choices=["redis", "valkey"], default="valkey")
    parser.add_argument("--jobs", type=int, default=100_000)
    args = parser.parse_args()
    with Server(find_server(args.server)) as store, serving("nexq", store.url) as (port, _):
        asyncio.run(fill(store.url, args.jobs))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            rows = measure(client)
    print(f"## Reads beside {args.jobs:,} jobs, ms\n\n| | calls | p50 | p99 | in all |\n|---|---|---|---|---|")
    for name, took in rows.items():
        cells = [len(took), *(report.number(x) for x in (statistics.median(took), percentile(took, 0.99), sum(took)))]
        print(f"| {name} | " + " | ".join(map(str, cells)) + " |")
    page = percentile(rows["a page of 50"], 0.99)
    print(
        f"\n| measure | target | figure | reached |\n|---|---|---|---|\n| p99 of a page, ms | at most 100 | "
        f"{report.number(page)} | {'yes' if page <= 100 else 'NO'} |"
    )
    print(f"\n{report.machine()}")


def measure(client: httpx.Client) -> dict[str, list[float]]:
    """Name of a read -> how long each of its calls took."""
    wanted = {"state": "ready", "limit": 50}
    rows = {"/livez (floor)": repeated(lambda: client.get("/livez"), PAGES)}
    rows["a page of 50"] = walked(client, wanted, PAGES)
    rows["all of a rare type"] = walked(client, {**wanted, "type": "rare"}, 1 << 30)
    rows["all with a text that none has"] = walked(client, {**wanted, "q": "nobody-has-this"}, 1 << 30)
    count = {"state": "ready", "dry_run": True}
    rows["count: a state"] = repeated(lambda: client.post("/api/jobs:cancel", json=count), 3)
    rare = {**count, "type": "rare"}
    rows["count: a rare type"] = repeated(lambda: client.post("/api/jobs:cancel", json=rare), 3)
    rows["overview"] = repeated(lambda: client.get("/api/overview"), 20)
    rows["series, 24 h"] = repeated(lambda: client.get("/api/series?range=24h&by=queue"), 20)
    return rows


def walked(client: httpx.Client, params: dict[str, Any], most: int) -> list[float]:
    """Page after page, to the end or `most` pages."""
    cursor: str | None = ""
    took: list[float] = []
    while cursor is not None and len(took) < most:
        began = time.perf_counter()
        answer = client.get("/api/jobs", params={**params, "cursor": cursor}).raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
        cursor = answer.json()["next"]
    return took


def repeated(call: Callable[[], httpx.Response], times: int) -> list[float]:
    """The same call again and again."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call().raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
    return took


if __name__ == "__main__":
    main()
