"""Jobs in the dashboard: submit one and watch it end, fail and retry, choose many and move them."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.conftest import Up, Watch
from tests.support.waiting import until_sync


def test_submit_through_the_form_and_watch_it_end(page: Page, up: Up) -> None:
    page.goto("/")
    page.get_by_role("link", name="New job").click()
    page.get_by_role("button", name="steps", exact=True).click()
    page.get_by_label("file optional").fill("walk-on")
    page.get_by_role("button", name="Submit job").click()

    # Its page, while it runs: progress and log come by themselves.
    expect(page).to_have_url(re.compile(r"/jobs/\w+"))
    expect(page.locator("header .state")).to_have_text("running")
    expect(page.get_by_label("Progress", exact=True)).to_contain_text("40 %")
    expect(page.get_by_label("Progress", exact=True)).to_contain_text("two of five")
    expect(page.get_by_label("Log", exact=True)).to_contain_text("the first line")
    (up.folder / "walk-on").touch()
    expect(page.locator("header .state")).to_have_text("completed")
    expect(page.get_by_label("Result", exact=True)).to_contain_text("walked")
    expect(page.get_by_label("Log", exact=True)).to_contain_text("the last line")
    expect(page.get_by_label("Timeline")).to_contain_text("Completed")


def test_fail_see_the_error_retry(page: Page, up: Up) -> None:
    id = up.submit("fragile", {"why": "no funds on 4711", "file": "mended-now"})
    page.goto(f"/jobs/{id}")
    expect(page.locator("header .state")).to_have_text("dead")
    attempts = page.get_by_label("Failed attempts")
    expect(attempts).to_contain_text("ValueError: no funds on 4711")
    expect(attempts.locator("pre")).to_contain_text("raise ValueError(why)")
    (up.folder / "mended-now").touch()
    page.get_by_role("button", name="Retry").click()
    expect(page.locator("header .state")).to_have_text("completed")
    expect(page.get_by_label("Result", exact=True)).to_contain_text("mended")


def test_run_now_and_change_of_priority(page: Page, up: Up) -> None:
    id = up.submit("greet", schedule_in=3600)
    page.goto(f"/jobs/{id}")
    expect(page.locator("header .state")).to_have_text("scheduled")
    page.get_by_role("button", name="More to do").click()
    page.get_by_role("menuitem", name="Change priority").click()
    page.get_by_role("spinbutton").fill("9")
    page.get_by_role("dialog").get_by_role("button", name="Change").click()
    expect(page.get_by_label("Facts")).to_contain_text(re.compile(r"Priority\s*9"))
    page.get_by_role("button", name="Run now").click()
    expect(page.locator("header .state")).to_have_text("completed")


def test_cancel_a_running_job_and_delete_it(page: Page, up: Up) -> None:
    id = up.submit("stay")
    page.goto(f"/jobs/{id}")
    expect(page.locator("header .state")).to_have_text("running")
    page.get_by_role("button", name="Cancel job").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
    expect(page.locator("header .state")).to_have_text("cancelled")
    page.get_by_role("button", name="More to do").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(page).to_have_url(re.compile(r"/jobs\?state=cancelled"))
    assert up.client.get(f"/api/jobs/{id}").status_code == 404


def test_cancel_all_that_match_after_a_count(page: Page, up: Up) -> None:
    for n in range(120):
        up.submit("later", {"n": n}, schedule_in=7200, queue="many")
    page.goto("/jobs?state=scheduled&queue=many")
    page.get_by_label("Choose all on this page").check()
    expect(page.get_by_role("toolbar")).to_contain_text("50 jobs chosen")
    page.get_by_role("button", name="Choose all that match").click()
    page.get_by_role("toolbar").get_by_role("button", name="Cancel jobs").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("120 jobs")
    dialog.get_by_role("button", name="Cancel jobs (120)").click()
    expect(dialog).to_contain_text("Done: 120 jobs")
    dialog.get_by_role("button", name="Close").click()
    expect(page.get_by_text("No job matches")).to_be_visible()
    assert up.client.get("/api/queues/many").json()["counts"]["cancelled"] == 120


def test_delete_a_few_that_are_chosen(page: Page, up: Up) -> None:
    ids = [up.submit("later", {"n": n}, schedule_in=7200, queue="few") for n in range(3)]
    page.goto("/jobs?state=scheduled&queue=few")
    for id in ids[:2]:
        page.get_by_label(f"Choose job {id}").check()
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete (2)").click()
    expect(page.get_by_role("dialog")).to_contain_text("Done: 2 jobs")
    page.get_by_role("dialog").get_by_role("button", name="Close").click()
    expect(page.locator("tr[data-row]")).to_have_count(1)


def test_search_chips_are_in_the_address_and_back_again(page: Page, up: Up) -> None:
    wanted = up.submit("echo", {"value": "needle in a haystack"}, tags=["eu"], queue="hay")
    up.submit("echo", {"value": "straw"}, queue="hay")
    page.goto("/jobs")
    page.get_by_label("Search the jobs").fill("queue:hay tag:eu needle")
    page.get_by_label("Search the jobs").press("Enter")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    expect(page.locator("tr[data-row]")).to_contain_text(wanted)
    assert "queue=hay" in page.url and "tag=eu" in page.url and "q=needle" in page.url
    shared = page.url
    page.get_by_label("Remove tag eu").click()
    page.get_by_label("Remove q needle").click()
    expect(page.locator("tr[data-row]")).to_have_count(2)
    page.goto(shared)
    expect(page.locator("tr[data-row]")).to_have_count(1)


def test_pages_forth_and_back(page: Page, up: Up) -> None:
    ids = [up.submit("later", {"n": n}, schedule_in=9000 + n, queue="paged") for n in range(60)]
    page.goto("/jobs?state=scheduled&queue=paged")
    expect(page.locator("tr[data-row]")).to_have_count(50)
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("tr[data-row]")).to_have_count(10)
    expect(page.locator("tr[data-row]").last).to_contain_text(ids[-1])
    page.get_by_role("button", name="Back").click()
    expect(page.locator("tr[data-row]").first).to_contain_text(ids[0])


def test_new_jobs_come_into_the_list_by_themselves(page: Page, up: Up) -> None:
    page.goto("/jobs?type=greet&state=scheduled")
    expect(page.locator(".live")).to_have_attribute("data-status", "live")
    id = up.submit("greet", schedule_in=5000)
    expect(page.get_by_label(f"Choose job {id}")).to_be_visible()


def test_clone_and_edit_and_requeue(watched: tuple[Page, Watch], up: Up) -> None:
    page, watch = watched
    id = up.submit("fragile", {"why": "first", "file": "never"})
    # What asked for the old job at the moment of its end may learn that it is gone.
    watch.allow(rf"status of 404.*/{id}")
    until_sync(lambda: up.job(id)["state"] == "dead", 10)
    page.goto(f"/jobs/{id}")
    page.get_by_role("button", name="More to do").click()
    page.get_by_role("menuitem", name="Edit and requeue").click()
    Path(up.folder / "edited").touch()
    page.get_by_label("file optional").fill("edited")
    page.get_by_role("button", name="Requeue").click()
    expect(page.locator("header .state")).to_have_text("completed")
    assert up.client.get(f"/api/jobs/{id}").status_code == 404
