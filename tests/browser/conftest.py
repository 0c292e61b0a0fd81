"""Debian's Chromium, driven against a real `nexq up` with a real worker."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.support.servers import Server
from tests.web.support import Process

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
#: How long a page may take to show what is waited for. The machine may be busy.
PATIENCE_MS = 15_000

expect.set_options(timeout=PATIENCE_MS)


def chromium_path() -> str:
    """Where Chromium is. Without one the tests are skipped, in CI they fail."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = "the dashboard is not tested: there is no Chromium here (Debian: apt install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


class Up(Process):
    """`nexq up` with the shop, in a folder and a namespace of its own."""

    verb = "up"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def submit(self, type: str, payload: Any = None, **options: Any) -> str:
        """Submit a job over REST; its id."""
        answer = self.client.post("/api/jobs", json={"type": type, "payload": payload or {}, **options})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def job(self, id: str) -> dict[str, Any]:
        """A job as the API has it."""
        return dict(self.client.get(f"/api/jobs/{id}").json())


def start_up(folder: Path, server: Server, namespace: str, *args: str) -> Up:
    """A `nexq up` of the shop, to be entered."""
    shutil.copy(HERE / "shop.py", folder / "shop.py")
    return Up(
        folder, server.url, "shop:app", "--concurrency", "8", "--grace", "0.2", *args, env={"NEXQ_NAMESPACE": namespace}
    )


@pytest.fixture(scope="package")
def up(valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A server that asks for no token."""
    chromium_path()
    with start_up(tmp_path_factory.mktemp("up"), valkey, "browser") as up:
        yield up


class Watch:
    """What a page must not do: write errors to the console, ask anybody else, open a dialog of its own."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._allowed: list[str] = []
        self._found: list[str] = []

    def allow(self, pattern: str) -> None:
        """A message that a test provokes."""
        self._allowed.append(pattern)

    def follow(self, page: Page) -> None:
        """Listen to a page."""
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._found.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("dialog", lambda dialog: (self._found.append(f"dialog: {dialog.message}"), dialog.dismiss()))

    def check(self) -> None:
        """Fail with what was found."""
        bad = [text for text in self._found if not any(re.search(pattern, text) for pattern in self._allowed)]
        assert not bad, "\n".join(bad)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._found.append(f"console {message.type}: {message.text} ({message.location.get('url')})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith(self._origin):
            self._found.append(f"asked elsewhere: {request.url}")


@contextmanager
def opened(browser: Browser, url: str, **context: Any) -> Iterator[tuple[Page, Watch]]:
    """A page of a browser context of its own, watched."""
    made = browser.new_context(base_url=url, **{"viewport": {"width": 1280, "height": 860}, **context})
    made.set_default_timeout(PATIENCE_MS)
    watch = Watch(url)
    page = made.new_page()
    watch.follow(page)
    try:
        yield page, watch
    finally:
        made.close()
    watch.check()


@pytest.fixture
def watched(browser: Browser, up: Up) -> Iterator[tuple[Page, Watch]]:
    """A page on the shop, and what watches it."""
    with opened(browser, up.url) as both:
        yield both


@pytest.fixture
def page(watched: tuple[Page, Watch]) -> Page:
    """A page on the shop."""
    return watched[0]
