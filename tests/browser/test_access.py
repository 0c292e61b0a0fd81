"""Signing in, what each role sees, and the audit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Up, Watch, opened, start_up
from tests.support.servers import Server

#: What a browser itself says of a refusal.
REFUSED = "status of 401"


@pytest.fixture(scope="module")
def tokens() -> dict[str, str]:
    """Texts of tokens by scope."""
    return {}


@pytest.fixture(scope="module")
def closed(
    browser: Browser, valkey: Server, tokens: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Up]:
    """A server that asks for tokens."""
    up = start_up(tmp_path_factory.mktemp("closed"), valkey, "browser-auth")
    done = up.nexq("token", "create", "admin-er", "--scope", "admin", "--json")
    tokens["admin"] = json.loads(done.stdout)["token"]
    with up:
        up.client.headers["Authorization"] = f"Bearer {tokens['admin']}"
        for scope in ("read", "write"):
            made = up.client.post("/api/tokens", json={"name": f"{scope}-er", "scope": scope})
            tokens[scope] = made.json()["token"]
        yield up


@pytest.fixture
def both(browser: Browser, closed: Up) -> Iterator[tuple[Page, Watch]]:
    with opened(browser, closed.url) as both:
        both[1].allow(REFUSED)
        yield both


def sign_in(page: Page, token: str, path: str = "/sign-in") -> None:
    page.goto(path)
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page).not_to_have_url(re.compile("/sign-in"))


def test_a_wrong_token_a_right_one_and_back_to_where_one_was(
    both: tuple[Page, Watch], tokens: dict[str, str], closed: Up
) -> None:
    page, _ = both
    page.goto("/jobs?state=dead")
    expect(page).to_have_url(re.compile(r"/sign-in\?from="))
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not known")
    page.get_by_label("Token").fill(tokens["admin"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/jobs\?state=dead"))
    # Nothing of the token stays where scripts can read it.
    assert page.evaluate("[document.cookie, ...Object.values(localStorage), ...Object.values(sessionStorage)]") == [""]

    page.get_by_role("button", name="Account and theme").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in to nexq")).to_be_visible()
    page.goto("/queues")
    expect(page).to_have_url(re.compile("/sign-in"))


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example/", "/\\evil.example"])
def test_nobody_is_led_elsewhere_after_signing_in(
    both: tuple[Page, Watch], tokens: dict[str, str], closed: Up, to: str
) -> None:
    page, _ = both
    sign_in(page, tokens["read"], f"/sign-in?from={to}")
    expect(page).to_have_url(f"{closed.url}/")


def test_a_reader_sees_no_action_that_it_may_not_take(
    both: tuple[Page, Watch], tokens: dict[str, str], closed: Up
) -> None:
    page, _ = both
    dead = closed.submit("fragile")
    closed.submit("later", schedule_in=7200)
    sign_in(page, tokens["read"])
    for path, there in {
        "/": "Queues",
        "/jobs": dead,
        f"/jobs/{dead}": "Timeline",
        "/dead": "declined",
        "/queues": "held",
        "/workers": "Slots used",
    }.items():
        page.goto(path)
        expect(page.locator("main")).to_contain_text(there)
        names = page.locator("main button, header button, header a").all_inner_texts()
        labels = [b.get_attribute("aria-label") or "" for b in page.locator("main button").all()]
        deeds = "Retry|Cancel|Delete|Run now|Clone|Revive|Pause$|Purge|Drain|Concurrency|New job|Change"
        assert not [name for name in (*names, *labels) if re.search(deeds, name)], path
        assert page.locator("main input[type=checkbox]").count() == 0, path
    page.goto("/new")
    expect(page.locator("main")).to_contain_text("Your token may only look")
    assert page.get_by_role("link", name="Audit").count() == 0
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile("/new"))


def test_a_writer_moves_jobs_and_no_queues(both: tuple[Page, Watch], tokens: dict[str, str], closed: Up) -> None:
    page, _ = both
    id = closed.submit("fragile")
    sign_in(page, tokens["write"])
    page.goto(f"/jobs/{id}")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    page.goto("/queues")
    expect(page.locator("main")).to_contain_text("default")
    assert page.get_by_role("button", name="Purge").count() == 0


def test_what_was_done_is_in_the_audit(both: tuple[Page, Watch], tokens: dict[str, str], closed: Up) -> None:
    page, _ = both
    id = closed.submit("later", schedule_in=7200)
    sign_in(page, tokens["admin"])
    page.goto(f"/jobs/{id}")
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("header .state")).to_have_text("completed")
    page.get_by_role("link", name="Audit").click()
    row = page.locator("tr", has_text=f"POST /api/jobs/{id}/promote")
    expect(row).to_contain_text("admin-er")
    expect(row).to_contain_text("200")
