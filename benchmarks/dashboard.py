"""How quick is the dashboard? First paint and paging of a list of 100,000 jobs, in Chromium.

``python -m benchmarks.dashboard [--jobs 100000] [--repeat 5]``. The server is `nexq server` beside a Valkey of its own;
the floor is a page of the same browser from the same server that shows nothing but text (`/livez`).
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.bench.server import Server, find_server, free_port
from benchmarks.bench.subject import ROOT

BATCH = 1000
PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
TARGETS_MS = {"first contentful paint of /jobs": 1500.0, "next page": 300.0}


def main() -> None:
    """Measure, and print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=100_000)
    arguments.add_argument("--repeat", type=int, default=5)
    asked = arguments.parse_args()
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        sys.exit("There is no Chromium here (Debian: apt install chromium).")
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(find_server("valkey")) as store,
        serving(store.url, folder) as url,
        sync_playwright() as playwright,
    ):
        fill(url, asked.jobs)
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        found: dict[str, list[float]] = {}
        for _ in range(asked.repeat):
            page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
            for name, value in measure(page, url):
                found.setdefault(name, []).append(value)
            page.context.close()
        browser.close()
        show(found, asked.jobs)


@contextmanager
def serving(store: str, folder: str) -> Iterator[str]:
    """`nexq server` on a free port; its address."""
    port = free_port()
    command = [sys.executable, "-m", "nexq", "server", "--port", str(port)]
    env = {**os.environ, "NEXQ_URL": store, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while not answers(f"{url}/readyz"):
            if time.monotonic() > deadline or server.poll() is not None:
                sys.exit("nexq server did not become ready.")
            time.sleep(0.05)
        yield url
    finally:
        server.terminate()
        server.wait(15)


def answers(url: str) -> bool:
    """Whether an address is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def fill(url: str, jobs: int) -> None:
    """Submit jobs that wait."""
    for start in range(0, jobs, BATCH):
        batch = [{"type": "send_email", "payload": {"to": f"user{n}@example.com"}} for n in range(start, start + BATCH)]
        body = json.dumps({"jobs": batch}).encode()
        request = urllib.request.Request(f"{url}/api/jobs:batch", body, {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=60).close()


def measure(page: Page, url: str) -> Iterator[tuple[str, float]]:
    """The questions, each with its milliseconds."""
    page.goto(f"{url}/livez")
    page.wait_for_function(PAINT)  # the text is there before it is painted
    yield "floor: first contentful paint of plain text", float(page.evaluate(PAINT))
    yield "rows of /jobs are there", timed(lambda: open_list(page, f"{url}/jobs?state=ready"))
    yield "first contentful paint of /jobs", float(page.evaluate(PAINT))
    for _ in range(5):
        yield "next page", timed(lambda: turn_page(page))
    yield "figures of the overview are there", timed(lambda: open_overview(page, f"{url}/"))


def open_list(page: Page, address: str) -> None:
    """Go to a list, and wait for its rows."""
    page.goto(address)
    page.locator("tr[data-row]").nth(49).wait_for()


def turn_page(page: Page) -> None:
    """Go to the next page, and wait for other rows."""
    first = page.locator("tr[data-row] a").first.get_attribute("href")
    page.get_by_role("button", name="Next page").click()
    page.wait_for_function("old => document.querySelector('tr[data-row] a')?.getAttribute('href') !== old", arg=first)


def open_overview(page: Page, address: str) -> None:
    """Go to the overview, and wait for its figures."""
    page.goto(address)
    page.get_by_text("Oldest ready").wait_for()


def timed(act: Callable[[], Any]) -> float:
    """Milliseconds that a deed took."""
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


def show(found: dict[str, list[float]], jobs: int) -> None:
    """Print the table."""
    print(f"| with {jobs:,} jobs | median, ms | largest, ms | target, ms |")
    print("|---|---:|---:|---:|")
    for name, values in found.items():
        ordered = sorted(values)
        target = TARGETS_MS.get(name)
        print(
            f"| {name} | {ordered[len(ordered) // 2]:.0f} | {ordered[-1]:.0f} | {f'{target:.0f}' if target else ''} |"
        )


if __name__ == "__main__":
    main()
