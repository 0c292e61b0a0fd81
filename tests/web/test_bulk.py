"""Moves on many jobs: by ids, by filter, counted first with dry_run."""

from __future__ import annotations

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
