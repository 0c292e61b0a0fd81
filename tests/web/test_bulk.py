"""Moves on many jobs: by ids, by filter, counted first with dry_run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import Server
from tests.web.conftest import Served, make_app
from tests.web.test_submit import problem


@pytest.fixture
def own(valkey: Server) -> Iterator[Served]:
    with Served(make_app(valkey.url)) as served:
        yield served


def fill(served: Served, count: int, **options: Any) -> list[str]:
    jobs = [{"type": "echo", "payload": f"number {n}", **options} for n in range(count)]
    results = served.client.post("/api/jobs:batch", json={"jobs": jobs}).json()["results"]
    return [r["id"] for r in results]


def test_cancel_by_filter_after_a_dry_run(own: Served) -> None:
    ids = fill(own, 20)
    later = fill(own, 3, schedule_in=100)
    wanted = {"state": "ready", "type": "echo", "q": "number 1"}
    dry = own.client.post("/api/jobs:cancel", json={**wanted, "dry_run": True}).json()
    assert dry["matched"] == 11 and dry["more"] is False and set(dry["ids"]) <= set(ids)
    assert own.client.get("/api/jobs?state=cancelled").json()["jobs"] == []
    done = own.client.post("/api/jobs:cancel", json=wanted).json()
    assert done == {"done": 11, "refused": [], "refused_count": 0, "more": False, "next": None}
    assert own.state(later[0]) == "scheduled" and own.state(ids[0]) == "ready"


def test_retry_and_delete_by_ids(own: Served) -> None:
    ids = fill(own, 3)
    own.client.post("/api/jobs:cancel", json={"ids": ids[:2]})
    own.client.post("/api/claim", json={"worker": "w"})
    retried = own.client.post("/api/jobs:retry", json={"ids": [*ids, "nobody"]}).json()
    assert retried["done"] == 2 and retried["refused"] == [{"id": ids[2], "detail": "it is running"}]
    own.client.post("/api/jobs:cancel", json={"ids": ids[:2]})
    own.client.post(f"/api/jobs/{ids[2]}/complete", json={"token": 1})
    assert own.client.post("/api/jobs:delete", json={"ids": ids}).json()["done"] == 3
    assert own.client.get("/api/jobs").json()["jobs"] == []


def test_a_running_job_is_not_deleted(own: Served) -> None:
    (id,) = fill(own, 1)
    own.client.post("/api/claim", json={"worker": "w"})
    assert own.client.post("/api/jobs:delete", json={"ids": [id]}).json()["refused"] == [
        {"id": id, "detail": "it is running"}
    ]


def test_more_than_one_call_can_move(own: Served) -> None:
    fill(own, 1000)
    fill(own, 30)
    first = own.client.post("/api/jobs:delete", json={"state": "ready"}).json()
    assert first["done"] == 1000 and first["more"] is True
    second = own.client.post("/api/jobs:delete", json={"state": "ready"}).json()
    assert second["done"] == 30 and second["more"] is False


def test_all_that_match_are_counted_and_moved_from_call_to_call(own: Served) -> None:
    for _ in range(2):
        fill(own, 1000, tags=["eu"])
    fill(own, 200, tags=["us"])
    wanted = {"state": "ready", "priority": "low"}
    dry = own.client.post("/api/jobs:reprioritize", json={**wanted, "dry_run": True}).json()
    assert (dry["matched"], dry["more"], len(dry["ids"])) == (2200, False, 100)
    dry = own.client.post("/api/jobs:reprioritize", json={**wanted, "tag": "eu", "dry_run": True}).json()
    assert (dry["matched"], dry["more"]) == (2000, False)
    done, cursor = 0, ""
    while cursor is not None:
        moved = own.client.post("/api/jobs:reprioritize", json={**wanted, "tag": "eu", "cursor": cursor}).json()
        assert moved["refused_count"] == 0 and moved["more"] is (moved["next"] is not None)
        done, cursor = done + moved["done"], moved["next"]
    # What was moved stands further on in the same state, where it is met once more.
    assert done >= 2000
    low = own.client.get("/api/jobs?state=ready&tag=eu&limit=500").json()
    assert {job["priority"] for job in low["jobs"]} == {1}
    assert own.client.get("/api/jobs?tag=us&limit=1").json()["jobs"][0]["priority"] == 5


def test_jobs_that_cannot_be_moved_are_met_once(own: Served) -> None:
    ids = fill(own, 3)
    own.client.post("/api/claim", json={"worker": "w", "n": 3})
    answer = own.client.post("/api/jobs:delete", json={"state": "running"}).json()
    assert (answer["done"], answer["refused_count"], answer["next"]) == (0, 3, None)
    assert {refused["id"] for refused in answer["refused"]} == set(ids)


def test_scheduled_jobs_run_now(own: Served) -> None:
    ids = fill(own, 5, schedule_in=1000)
    assert own.client.post("/api/jobs:promote", json={"state": "scheduled"}).json()["done"] == 5
    assert {own.state(id) for id in ids} == {"ready"}


def test_a_priority_must_be_given(own: Served) -> None:
    problem(own.client.post("/api/jobs:reprioritize", json={"state": "ready"}), 422, "invalid-body")


def test_a_filter_needs_a_state(own: Served) -> None:
    answer = own.client.post("/api/jobs:delete", json={"type": "echo"})
    assert problem(answer, 422, "invalid-body")["errors"][0]["pointer"] == "/state"


@pytest.mark.parametrize(
    "body",
    [{}, {"ids": []}, {"ids": [1]}, {"ids": ["x"] * 1001}, {"state": "asleep"}, {"queue": "a}b{", "state": "ready"}],
    ids=lambda body: str(body)[:40],
)
def test_bad_bodies(own: Served, body: dict[str, Any]) -> None:
    answer = own.client.post("/api/jobs:cancel", json=body)
    if body == {"ids": []}:
        assert answer.json()["done"] == 0
    else:
        problem(answer, 422, "invalid-body")


@pytest.fixture
def at_work(valkey: Server) -> Iterator[Served]:
    with Served(make_app(valkey.url), worker=True) as served:
        yield served


def buried(served: Served, *reasons: str) -> list[str]:
    ids = [served.submit("fail", {"why": why}) for why in reasons]
    for id in ids:
        served.until(id, "dead")
    return ids


def test_the_dead_are_grouped_and_a_group_is_revived(at_work: Served) -> None:
    users = buried(at_work, *(f"no user {n}" for n in range(5)))
    (file,) = buried(at_work, "no file 1")
    at_work.client.post("/api/queues/default/pause")
    answer = at_work.client.get("/api/dead/groups").json()
    assert (answer["total"], answer["more"]) == (6, False)
    first, second = answer["groups"]
    assert (first["count"], second["count"]) == (5, 1)
    assert first["error"].startswith("ValueError: no user") and first["sample"]["id"] in users
    assert first["handlers"] == [{"type": "fail", "count": 5}] and first["queues"] == ["default"]
    assert first["first_ms"] <= first["last_ms"]
    mark = {"fingerprint": first["fingerprint"]}
    listed = at_work.client.get("/api/dead", params=mark).json()["jobs"]
    assert {job["id"] for job in listed} == set(users)
    assert at_work.client.post("/api/dead:revive", json={**mark, "dry_run": True}).json()["matched"] == 5
    assert at_work.client.post("/api/dead:revive", json=mark).json()["done"] == 5
    assert {at_work.state(id) for id in users} == {"ready"} and at_work.state(file) == "dead"


def test_the_dead_come_back_at_a_rate_the_oldest_first(at_work: Served) -> None:
    ids = buried(at_work, "a", "b", "c", "d")
    at_work.client.post("/api/queues/default/pause")
    answer = at_work.client.post("/api/dead:revive", json={"rate": 0.1}).json()
    assert (answer["done"], answer["next"]) == (4, None)
    jobs = [at_work.client.get(f"/api/jobs/{id}").json() for id in ids]
    assert [job["state"] for job in jobs] == ["ready", "scheduled", "scheduled", "scheduled"]
    dues = [job["due_ms"] for job in jobs[1:]]
    assert [round(b - a) for a, b in itertools.pairwise(dues)] == [10_000, 10_000]
    assert answer["until_ms"] == pytest.approx(dues[-1], abs=0.01)


def test_a_revival_at_a_rate_goes_on_where_it_stopped(own: Served) -> None:
    fill(own, 1000)
    fill(own, 100)
    for _ in range(11):
        claimed = own.client.post("/api/claim", json={"worker": "w", "n": 100}).json()["jobs"]
        for job in claimed:
            own.client.post(f"/api/jobs/{job['id']}/fail", json={"token": job["token"]})
    first = own.client.post("/api/dead:revive", json={"rate": 100}).json()
    assert first["done"] == 1000 and first["next"]
    second = own.client.post("/api/dead:revive", json={"rate": 100, "cursor": first["next"]}).json()
    assert second["done"] == 100 and second["next"] is None
    assert second["until_ms"] - first["until_ms"] == pytest.approx(1000, abs=1)


@pytest.mark.parametrize("body", [{"rate": 0}, {"rate": -1}, {"rate": "fast"}, {"rate": 1e9}, {"state": "dead"}])
def test_bad_revivals(own: Served, body: dict[str, Any]) -> None:
    problem(own.client.post("/api/dead:revive", json=body), 422, "invalid-body")


def test_a_bad_cursor_of_a_revival(own: Served) -> None:
    problem(own.client.post("/api/dead:revive", json={"rate": 1, "cursor": "x"}), 400, "bad-cursor")
