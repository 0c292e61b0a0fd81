"""Queues, workers and dead letters in the dashboard."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Up
from tests.support.waiting import until_sync


def test_pause_with_a_reason_and_resume(page: Page, up: Up) -> None:
    up.submit("later", schedule_in=7200)
    page.goto("/queues")
    card = page.get_by_label("Queue held", exact=True)
    card.get_by_role("button", name="Pause").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("inventory until noon")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(card).to_contain_text("inventory until noon")
    assert up.client.get("/api/queues/held").json()["paused"]["reason"] == "inventory until noon"

    waiting = up.submit("later")
    assert up.job(waiting)["state"] == "ready"
    card.get_by_role("button", name="Resume").click()
    expect(card.get_by_role("button", name="Pause")).to_be_visible()
    until_sync(lambda: up.job(waiting)["state"] == "completed", 10, "the job to run after the pause")


def test_purge_asks_for_the_name(page: Page, up: Up) -> None:
    for n in range(3):
        up.submit("later", {"n": n}, schedule_in=7200, queue="junk")
    page.goto("/queues")
    page.get_by_label("Queue junk", exact=True).get_by_role("button", name="Purge").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").select_option("scheduled")
    button = dialog.get_by_role("button", name="Drop 3 scheduled jobs")
    expect(button).to_be_disabled()
    dialog.get_by_role("textbox").fill("junk")
    button.click()
    expect(page.get_by_text("3 jobs dropped.")).to_be_visible()
    assert up.client.get("/api/queues/junk").json()["counts"]["scheduled"] == 0


def test_a_worker_is_seen_and_told(page: Page, up: Up) -> None:
    page.goto("/workers")
    card = page.locator("section", has=page.get_by_role("button", name="Concurrency"))
    expect(card).to_contain_text("of 8")
    card.get_by_role("button", name="Concurrency").click()
    page.get_by_role("dialog").get_by_role("spinbutton").fill("12")
    page.get_by_role("dialog").get_by_role("button", name="Change").click()
    expect(card).to_contain_text("of 12")
    card.get_by_role("button", name="Drain").click()
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    expect(card.locator(".card-head .state")).to_have_text("paused")
    card.get_by_role("button", name="Resume").click()
    expect(card.locator(".card-head .state")).to_have_text("running")


def test_dead_letters_by_error_revived_slowly(page: Page, up: Up) -> None:
    ids = [up.submit("fragile", {"why": f"no route to pod-{n}", "file": "route"}, queue="default") for n in range(3)]
    until_sync(lambda: all(up.job(id)["state"] == "dead" for id in ids), 15, "three dead jobs")
    page.goto("/dead")
    group = page.locator("section", has_text="no route to pod")
    expect(group).to_have_count(1)
    expect(group.locator(".dead-count")).to_have_text("3")
    expect(group).to_contain_text("fragile (3)")
    group.get_by_role("button", name="Show jobs").click()
    expect(group.locator("tr[data-row]")).to_have_count(3)

    (up.folder / "route").touch()
    group.get_by_role("button", name="Revive these").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("At most").check()
    dialog.get_by_label("Jobs a second").fill("20")
    expect(dialog).to_contain_text(re.compile("done in"))
    dialog.get_by_role("button", name="Revive", exact=True).click()
    expect(dialog).to_contain_text("Done: 3 jobs")
    dialog.get_by_role("button", name="Close").click()
    until_sync(lambda: all(up.job(id)["state"] == "completed" for id in ids), 10, "the revived jobs to run")
    expect(group).to_have_count(0)
