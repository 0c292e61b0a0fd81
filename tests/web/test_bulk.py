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
    assert done == {"done": 11, "refused": [], "refused_count": 0, "more": False}
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
