"""Every page: no serious finding of axe in either theme, no sideways scrolling on a phone, keys, a prefix."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Up, opened, start_up
from tests.support.node import DASHBOARD, need_packages
from tests.support.servers import Server

AXE = DASHBOARD / "node_modules" / "axe-core" / "axe.min.js"
PATHS = ["/", "/jobs", "/dead", "/queues", "/workers", "/new", "/new?type=order", "/nowhere"]


@pytest.fixture(scope="module")
def job(up: Up) -> str:
    """A dead job, so that no page is empty."""
    return up.submit("fragile", {"why": "for the pages"})


def settled(page: Page, path: str) -> None:
    """Go to a page, and wait until it shows what it is for."""
    page.goto(path)
    expect(page.locator("main > *").first).to_be_visible()
    expect(page.locator(".loading")).to_have_count(0)


def findings(page: Page, rules: list[str]) -> list[str]:
    """What axe finds that is serious or worse."""
    # Through the debugger's door: the page's own policy allows no foreign script.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: dict[str, Any] = page.evaluate("rules => axe.run({runOnly: rules, resultTypes: ['violations']})", rules)
    return [
        f"{v['id']} ({v['impact']}): {node['target']} {node['failureSummary']}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Browser, up: Up, job: str, theme: Any) -> None:
    need_packages()
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] if theme == "light" else ["color-contrast"]
    with opened(browser, up.url, color_scheme=theme, reduced_motion="reduce") as (page, watch):
        watch.allow("status of 404")
        for path in [*PATHS, f"/jobs/{job}"]:
            settled(page, path)
            assert findings(page, rules) == [], path
        page.keyboard.press("Control+k")
        expect(page.locator(".palette")).to_be_visible()
        assert findings(page, rules) == [], "the palette"


def test_a_phone_scrolls_no_page_sideways(browser: Browser, up: Up, job: str) -> None:
    with opened(browser, up.url, viewport={"width": 375, "height": 812}) as (page, watch):
        watch.allow("status of 404")
        for path in [*PATHS, f"/jobs/{job}"]:
            settled(page, path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 375, f"{path} is {wide} px wide"
            expect(page.locator("header h1")).to_be_in_viewport()
            expect(page.get_by_role("button", name="Account and theme")).to_be_in_viewport()


def test_keys_and_the_palette(page: Page, up: Up, job: str) -> None:
    settled(page, "/")
    page.keyboard.press("g")
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile("/jobs$"))
    expect(page.locator("tr[data-row]").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_role("toolbar")).to_contain_text("1 job chosen")
    page.keyboard.press("/")
    expect(page.get_by_label("Search the jobs")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("order")
    page.keyboard.press("Enter")
    expect(page).not_to_have_url(re.compile("/jobs$"))
    page.keyboard.press("Control+k")
    page.keyboard.type(job)
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(job))
    expect(page.get_by_label("Facts")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Pause live updates")


def test_the_theme_is_kept(page: Page, up: Up) -> None:
    settled(page, "/queues")
    page.get_by_role("button", name="Account and theme").click()
    page.get_by_role("menuitem", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_live_updates_wait_while_paused_or_hidden_and_miss_nothing(page: Page, up: Up) -> None:
    settled(page, "/jobs?type=later&queue=live")
    live = page.locator(".live")
    expect(live).to_have_attribute("data-status", "live")
    known = up.submit("later", schedule_in=7200, queue="live")
    expect(page.get_by_label(f"Choose job {known}")).to_be_visible()
    page.keyboard.press("p")
    expect(live).to_have_attribute("data-status", "paused")
    first = up.submit("later", schedule_in=7200, queue="live")
    page.keyboard.press("p")
    expect(page.get_by_label(f"Choose job {first}")).to_be_visible()

    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(live).to_have_attribute("data-status", "paused")
    second = up.submit("later", schedule_in=7200, queue="live")
    with page.expect_request(re.compile(r"/api/events\?.*last_event_id=\w")):
        page.evaluate("delete document.hidden")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.get_by_label(f"Choose job {second}")).to_be_visible()


@pytest.fixture(scope="module")
def empty(browser: Browser, valkey: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A server under a prefix, with nothing in it."""
    folder = tmp_path_factory.mktemp("empty")
    with start_up(folder, valkey, "browser-empty", "--root-path", "/ops/nexq") as up:
        yield up


def test_under_a_prefix_empty_pages_say_what_to_do_next(browser: Browser, empty: Up) -> None:
    with opened(browser, f"{empty.url}/ops/nexq/") as (page, _):
        said = {"": "Overview", "jobs": "nexq enqueue", "dead": "nexq dead ls"}
        for path, text in said.items():
            page.goto(f"{empty.url}/ops/nexq/{path}")
            expect(page.locator("#root")).to_contain_text(text)
        page.get_by_role("link", name="Jobs").click()
        expect(page).to_have_url(f"{empty.url}/ops/nexq/jobs")
        page.goto(f"{empty.url}/ops/nexq/new?type=greet")
        page.get_by_role("button", name="Submit job").click()
        expect(page).to_have_url(re.compile(r"/ops/nexq/jobs/\w+$"))
        expect(page.locator("header .state")).to_have_text("completed")
        expect(page.get_by_label("Submit one like it").locator("pre")).to_contain_text("/ops/nexq/api/jobs")


def test_a_server_that_goes_away_is_missed_and_found_again(browser: Browser, empty: Up) -> None:
    with opened(browser, f"{empty.url}/ops/nexq/") as (page, watch):
        watch.allow("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED|ERR_CONNECTION_RESET|status of 503")
        page.goto(f"{empty.url}/ops/nexq/queues")
        expect(page.locator(".live")).to_have_attribute("data-status", "live")
        empty.stop()
        expect(page.get_by_role("alert")).to_contain_text("what you see may be old")
        empty.start()
        expect(page.locator(".live")).to_have_attribute("data-status", "live", timeout=40_000)
        expect(page.get_by_text("what you see may be old")).to_have_count(0)
