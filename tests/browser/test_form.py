"""The typed form of a new job: what it asks for, what it refuses, and that nothing is lost on the way."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Up, Watch
from tests.support.waiting import until_sync

#: Beyond what a double can hold.
BIG = 9007199254740993


def made(page: Page, up: Up) -> dict[str, object]:
    """The job whose page was come to."""
    expect(page).to_have_url(re.compile(r"/jobs/\w+$"))
    return up.job(page.url.rpartition("/")[2])


def test_every_kind_of_field(page: Page, up: Up) -> None:
    page.goto("/new?type=order")
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_text("Something above is missing or wrong.")).to_be_visible()
    expect(page.get_by_text("Choose one.")).to_be_visible()

    page.get_by_label("item *").fill("a lamp")
    page.get_by_label("colour *").select_option("blue")
    page.get_by_label("street *").fill("Main Street 1")
    page.get_by_label("count optional").fill("many")
    expect(page.get_by_text("Not a whole number.")).to_be_visible()
    page.get_by_label("count optional").fill("3")
    page.get_by_role("button", name="sizes", exact=True).click()
    page.get_by_role("button", name="Add an item").click()
    page.get_by_label("sizes 1").select_option("m")
    page.get_by_role("button", name="on", exact=True).click()
    page.get_by_label("on optional").fill("2031-05-06")
    page.get_by_role("button", name="limit", exact=True).click()
    page.get_by_label("Kind of limit").select_option("text")
    page.get_by_label("limit optional").fill("none at all")
    page.get_by_label("Priority").select_option("9")
    page.get_by_role("button", name="In a while").click()
    page.get_by_label("seconds from now").fill("3600")
    page.get_by_label("Tags").fill("eu, invoice:17")

    page.get_by_role("button", name="Command line").click()
    command = page.get_by_label("The same from elsewhere").locator("pre")
    expect(command).to_contain_text("nexq enqueue order")
    expect(command).to_contain_text("--priority 9 --delay 3600 --tag eu --tag invoice:17")
    page.get_by_role("button", name="Submit job").click()
    job = made(page, up)
    assert job["payload"] == {
        "item": "a lamp",
        "colour": "blue",
        "to": {"street": "Main Street 1"},
        "count": 3,
        "sizes": ["m"],
        "on": "2031-05-06",
        "gift": False,
        "limit": "none at all",
    }
    assert (job["state"], job["priority"], job["queue"]) == ("scheduled", 9, "orders")
    assert job["tags"] == ["eu", "invoice:17"]


def test_big_integers_are_exact_from_the_form_to_the_page(page: Page, up: Up) -> None:
    page.goto("/new?type=order")
    page.get_by_label("item *").fill("x")
    page.get_by_label("colour *").select_option("red")
    page.get_by_label("street *").fill("y")
    page.get_by_label("count optional").fill(str(BIG))
    page.get_by_role("button", name="Submit job").click()
    assert made(page, up)["payload"]["count"] == BIG  # type: ignore[index]
    expect(page.get_by_label("Payload", exact=True)).to_contain_text(str(BIG))
    page.get_by_role("button", name="Clone").click()
    expect(page.get_by_label("count optional")).to_have_value(str(BIG))
    page.get_by_role("button", name="JSON").click()
    expect(page.locator("textarea")).to_have_value(re.compile(str(BIG)))


def test_secrets_are_hidden_and_yet_kept(page: Page, up: Up) -> None:
    id = up.submit("echo", {"value": 1, "password": "hunter2"})
    page.goto(f"/jobs/{id}")
    expect(page.get_by_label("Payload", exact=True)).to_contain_text("••••••")
    page.get_by_role("button", name="Clone").click()
    expect(page.get_by_label("password optional")).to_have_attribute("type", "password")
    assert "hunter2" not in page.content()
    page.get_by_role("button", name="Submit job").click()
    expect(page).not_to_have_url(re.compile("new"))
    assert made(page, up)["payload"]["password"] == "hunter2"  # type: ignore[index]
    page.goto("/jobs?type=echo")
    expect(page.locator("tr[data-row]").first).to_be_visible()
    assert "hunter2" not in page.content()


def test_the_servers_own_refusal_is_shown(watched: tuple[Page, Watch], up: Up) -> None:
    page, watch = watched
    watch.allow("409")
    taken = up.submit("greet", schedule_in=9000, unique_key="one-of-a-kind")
    page.goto("/new?type=greet")
    page.get_by_label("Unique key").fill("one-of-a-kind")
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_role("alert")).to_contain_text(taken)


def test_json_that_is_none(page: Page, up: Up) -> None:
    page.goto("/new?type=greet")
    page.get_by_role("button", name="JSON").click()
    page.locator("textarea").fill('{"name": ')
    page.get_by_role("button", name="Submit job").click()
    expect(page.get_by_text("Not JSON")).to_be_visible()
    page.locator("textarea").fill('{"name": "Ada"}')
    page.get_by_role("button", name="Form").click()
    expect(page.get_by_label("name optional")).to_have_value("Ada")
    page.get_by_role("button", name="Submit job").click()
    until_sync(lambda: made(page, up)["result"] == "Hello, Ada!", 10)
