"""Text that wants to be code, in every place that is shown: it stays text."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Up
from tests.support.waiting import until_sync

CORPUS = [
    "<script>window.xss=1</script>",
    "<img src=x onerror=window.xss=1>",
    "\"'><svg/onload=window.xss=1>",
    "javascript:window.xss=1",
    "<iframe srcdoc='<script>parent.xss=1</script>'>",
    "<a href='javascript:window.xss=1'>x</a>",
    "{{constructor.constructor('window.xss=1')()}}",
    "${window.xss=1}",
    "</textarea></title></style></script><script>window.xss=1</script>",
    "<math><mtext></mtext><mglyph><style></style><img src onerror=window.xss=1></math>",
    "\u202e\u2066</pre><b onmouseover=window.xss=1>\u2069",
    "<style>*{background:url(https://evil.example/)}</style>",
    "<base href=https://evil.example/><form action=https://evil.example/>",
]
ALL = " ".join(CORPUS)


def is_harmless(page: Page) -> None:
    """Nothing of it became code or markup."""
    assert page.evaluate("window.xss") is None
    # Frames, styles, and images that are not the dashboard's own.
    assert page.locator("iframe, style, img:not([alt='']), base ~ base, form[action], math").count() == 0
    assert page.evaluate("[...document.querySelectorAll('a')].filter(a => a.protocol == 'javascript:').length") == 0


@pytest.fixture(scope="module")
def planted(up: Up) -> dict[str, str]:
    """Jobs with the corpus in every part of them."""
    deep = {text: [text, {text: text}] for text in CORPUS} | {"__proto__": {"xss": 1}, "constructor": ALL}
    dead = up.submit("fragile", {"why": ALL, "file": "never"})
    done = up.submit("echo", {"value": deep, "more": deep})
    unknown = up.submit(ALL[:150], deep, unique_key=CORPUS[0], schedule_in=7200)
    for job, state in ((dead, "dead"), (done, "completed")):
        until_sync(lambda job=job, state=state: up.job(job)["state"] == state, 15)  # type: ignore[misc]
    return {"dead": dead, "done": done, "unknown": unknown}


def test_on_the_pages_of_jobs(page: Page, planted: dict[str, str]) -> None:
    for id in planted.values():
        page.goto(f"/jobs/{id}")
        expect(page.get_by_label("Payload", exact=True)).to_be_visible()
        for language in ("Python", "Command line", "curl"):
            page.get_by_role("button", name=language).click()
        is_harmless(page)
    page.goto(f"/jobs/{planted['dead']}")
    expect(page.locator(".attempt-error").first).to_contain_text(CORPUS[0])


def test_in_lists_groups_and_the_form(page: Page, up: Up, planted: dict[str, str]) -> None:
    shown = {
        "/": "Queues",
        "/jobs?state=dead": planted["dead"],
        "/jobs?state=scheduled": planted["unknown"],
        "/dead": CORPUS[0],
        f"/new?from={planted['done']}": "Payload",
        f"/new?from={planted['unknown']}": "Payload",
    }
    for path, there in shown.items():
        page.goto(path)
        expect(page.locator("main")).to_contain_text(there)
        is_harmless(page)


def test_in_reasons_and_addresses(page: Page, up: Up) -> None:
    up.submit("later", schedule_in=7200, queue="evil")
    assert up.client.post("/api/queues/evil/pause", json={"reason": ALL[:900]}).status_code == 200
    page.goto("/queues")
    expect(page.get_by_label("Queue evil", exact=True)).to_contain_text(CORPUS[0])
    is_harmless(page)
    page.goto("/jobs?q=" + page.evaluate(f"encodeURIComponent({json.dumps(ALL)})"))
    expect(page.locator(".chip")).to_contain_text(CORPUS[0])
    is_harmless(page)
    page.goto("/new?type=" + page.evaluate(f"encodeURIComponent({json.dumps(ALL[:150])})"))
    expect(page.locator("main")).to_contain_text("Nobody knows this handler")
    is_harmless(page)
