"""Listing over HTTP: filters, pages, cursors, links."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.servers import Server
from tests.web.conftest import Served, make_app
from tests.web.test_submit import problem


@pytest.fixture(scope="module")
def filled(valkey: Server) -> Iterator[Served]:
    """Three queues: 25 ready jobs of several priorities, 10 scheduled, 5 cancelled."""
    with Served(make_app(valkey.url)) as served:
        jobs: list[dict[str, Any]] = [
            {"type": "echo", "payload": f"ready {n}", "priority": n % 3, "queue": "abc"[n % 3]} for n in range(25)
        ]
        jobs += [{"type": "send_email", "payload": {"to": f"u{n}"}, "schedule_in": 1000} for n in range(10)]
        assert served.client.post("/api/jobs:batch", json={"jobs": jobs}).json()["failed"] == 0
        for n in range(5):
            served.client.post(f"/api/jobs/{served.submit('echo', n, queue='b')}/cancel")
        yield served


def pages(served: Served, **params: Any) -> list[list[str]]:
    """The ids of each page, from link to link."""
    found = []
    url: str | None = str(httpx.URL("/api/jobs", params=params))
    while url is not None:
        answer = served.client.get(url)
        assert answer.status_code == 200, answer.text
        found.append([job["id"] for job in answer.json()["jobs"]])
        following = answer.links.get("next")
        assert (following is None) == (answer.json()["next"] is None)
        url = None if following is None else following["url"]
    return found


def test_all_pages_together_are_all_jobs_once(filled: Served) -> None:
    for limit in (1, 7, 40, 500):
        got = pages(filled, limit=limit)
        ids = [id for page in got for id in page]
        assert len(ids) == len(set(ids)) == 40
        assert all(len(page) == limit for page in got[:-1])


def test_ready_jobs_come_in_the_order_of_their_claims(filled: Served) -> None:
    answer = filled.client.get("/api/jobs", params={"state": "ready", "queue": "a"})
    jobs = answer.json()["jobs"]
    assert [j["priority"] for j in jobs] == sorted((j["priority"] for j in jobs), reverse=True)


@pytest.mark.parametrize(
    ("params", "count"),
    [
        ({"state": "scheduled"}, 10),
        ({"state": "cancelled"}, 5),
        ({"state": "completed"}, 0),
        ({"queue": "a"}, 9),
        ({"type": "send_email"}, 10),
        ({"type": "send_email", "state": "ready"}, 0),
        ({"q": '"u7"'}, 1),  # an id may have u7 in it, but no quotes
        ({"q": "ready 1"}, 11),
        ({"queue": "nobody"}, 0),
    ],
    ids=str,
)
def test_filters(filled: Served, params: dict[str, str], count: int) -> None:
    assert sum(map(len, pages(filled, limit=3, **params))) == count


def test_one_job_by_its_id(filled: Served) -> None:
    (id,) = pages(filled, limit=1, state="scheduled")[0]
    assert pages(filled, id=id) == [[id]]
    assert pages(filled, id=id, state="dead") == pages(filled, id=id, queue="a") == pages(filled, id="none") == [[]]


def test_by_tags_and_by_worker(served: Served) -> None:
    both = served.submit("echo", 1, tags=["eu", "invoice:17", "eu"], queue="tagged")
    one = served.submit("echo", 2, tags=["eu"], queue="tagged")
    assert set(pages(served, tag="eu")[0]) == {both, one}
    assert pages(served, tag="invoice:17,eu") == [[both]]
    shown = served.client.get(f"/api/jobs/{both}").json()
    assert shown["tags"] == ["eu", "invoice:17"] and shown["options"] == {}
    served.client.post("/api/claim", json={"worker": "w-1", "queue": "tagged"})
    assert pages(served, worker="http:w-1", state="running") == [[both]]
    problem(served.client.get("/api/jobs?tag=a b"), 422, "invalid-job")


@pytest.mark.parametrize("tags", [["a b"], ["a,b"], [""], ["x" * 101], ['"'], "eu", [1], [f"t{n}" for n in range(21)]])
def test_bad_tags(served: Served, tags: Any) -> None:
    problem(served.client.post("/api/jobs", json={"type": "echo", "tags": tags}), 422, "invalid-body")


def test_a_page_goes_on_though_jobs_and_queues_come_and_go(filled: Served) -> None:
    first = filled.client.get("/api/jobs", params={"limit": 5, "queue": "b", "state": "ready"}).json()
    gone = first["jobs"][-1]["id"]
    filled.client.delete(f"/api/jobs/{gone}")
    other = filled.submit("echo", queue="aa-new")
    rest = filled.client.get("/api/jobs", params={"queue": "b", "state": "ready", "cursor": first["next"]}).json()
    assert not {j["id"] for j in rest["jobs"]} & {j["id"] for j in first["jobs"]}
    assert len(rest["jobs"]) == 3
    page = filled.client.get("/api/jobs", params={"limit": 20}).json()
    served_ids = [j["id"] for j in page["jobs"]]
    newer = filled.submit("echo", queue="0-first")
    following = filled.client.get("/api/jobs", params={"limit": 500, "cursor": page["next"]}).json()
    assert not set(served_ids) & {j["id"] for j in following["jobs"]}
    for id in (other, newer):
        filled.client.delete(f"/api/jobs/{id}")
    filled.submit("echo", f"ready again {gone}", queue="b")


def test_the_link_keeps_the_filter(filled: Served) -> None:
    answer = filled.client.get("/api/jobs", params={"limit": 2, "state": "scheduled", "q": "u & é"})
    assert "next" not in answer.links
    answer = filled.client.get("/api/jobs", params={"limit": 2, "type": "send_email", "q": "u"})
    assert httpx.URL(answer.links["next"]["url"]).params["type"] == "send_email"


def pack(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "nonsense",
        "%00",
        "AAAA",
        pack("b", 0, "id", "nan"),
        pack("b", 0, "id", "inf"),
        pack("b", 0, "id", "1_0"),
        pack("b", 0, "id", "1e400"),
        pack("b", "0", "id", "1"),
        pack("b", True, "id", "1"),
        pack("a}b{", 0, "id", "1"),
        pack("b", 0, "id"),
        pack({"a": 1}),
        "é" * 10,
        "x" * 4000,
    ],
)
def test_made_up_cursors(filled: Served, cursor: str) -> None:
    problem(filled.client.get("/api/jobs", params={"cursor": cursor}), 400, "bad-cursor")


@pytest.mark.parametrize("cursor", [pack("b", 0, "id", "1"), pack("b", 99, "id", "1"), pack("zz", -5, "", "")])
def test_cursors_of_places_that_are_not_there(filled: Served, cursor: str) -> None:
    assert filled.client.get("/api/jobs", params={"cursor": cursor}).status_code == 200


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1.5", "1e2", "٣", "9" * 20])
def test_bad_limits(filled: Served, limit: str) -> None:
    problem(filled.client.get("/api/jobs", params={"limit": limit}), 400, "bad-query")


def test_bad_states_and_queues(filled: Served) -> None:
    problem(filled.client.get("/api/jobs?state=waiting"), 400, "bad-query")
    problem(filled.client.get("/api/jobs", params={"queue": "a}{b"}), 422, "invalid-job")


def test_dead_letters(working: Served) -> None:
    ids = [working.submit("fail", str(n)) for n in range(3)]
    for id in ids:
        working.until(id, "dead")
    listed = [job["id"] for job in working.client.get("/api/dead").json()["jobs"]]
    assert set(ids) <= set(listed)
    revived = working.client.post("/api/dead:revive", json={"ids": ids[:1]}).json()
    assert revived["done"] == 1
    dry = working.client.post("/api/dead:revive", json={"type": "fail", "dry_run": True}).json()
    assert dry["matched"] >= 2 and dry["more"] is False
