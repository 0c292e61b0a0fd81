"""One job over HTTP: every move by hand, and the moves that are refused."""

from __future__ import annotations

import pytest

from tests.web.conftest import Served
from tests.web.test_submit import problem


def test_the_timeline_of_a_job_that_ran(working: Served) -> None:
    id = working.submit("echo", 1)
    job = working.until(id, "completed")
    assert [e["event"] for e in job["timeline"]] == ["enqueued", "started", "completed"]
    times = [e["at_ms"] for e in job["timeline"]]
    assert times == sorted(times)


def test_the_timeline_of_a_job_that_died(working: Served) -> None:
    job = working.until(working.submit("fail", "boom"), "dead")
    assert [e["event"] for e in job["timeline"]] == ["enqueued", "started", "bury"]
    assert job["timeline"][-1]["error"] == {"type": "ValueError", "message": "boom"}
    assert job["error"] == "ValueError: boom"


def test_get_with_prefer_wait(working: Served) -> None:
    id = working.submit("echo", 1)
    answer = working.client.get(f"/api/jobs/{id}", headers={"Prefer": "wait=10"})
    assert answer.json()["state"] == "completed"


def test_cancel_a_waiting_job(served: Served) -> None:
    id = served.submit()
    answer = served.client.post(f"/api/jobs/{id}/cancel")
    assert answer.status_code == 200 and answer.json() == {"id": id, "state": "cancelled"}
    assert served.state(id) == "cancelled"


def test_cancel_a_running_job(working: Served) -> None:
    id = working.submit("stay")
    working.until(id, "running")
    answer = working.client.post(f"/api/jobs/{id}/cancel")
    assert answer.status_code == 202 and answer.json()["state"] == "running"
    working.until(id, "cancelled")


def test_cancel_a_job_that_has_ended(working: Served) -> None:
    id = working.submit("echo")
    working.until(id, "completed")
    assert problem(working.client.post(f"/api/jobs/{id}/cancel"), 409, "wrong-state")["state"] == "completed"


def test_retry_a_dead_job(working: Served) -> None:
    id = working.submit("fail", {})
    working.until(id, "dead")
    answer = working.client.post(f"/api/jobs/{id}/retry")
    assert answer.status_code == 200 and answer.json()["state"] == "ready"
    job = working.until(id, "dead")
    assert len(job["attempts"]) >= 1


def test_promote_a_scheduled_job(served: Served) -> None:
    id = served.submit(schedule_in=3600)
    assert served.client.post(f"/api/jobs/{id}/promote").json() == {"id": id, "state": "ready"}
    assert served.client.post(f"/api/jobs/{id}/promote").json() == {"id": id, "state": "ready"}
    served.client.post(f"/api/jobs/{id}/cancel")
    problem(served.client.post(f"/api/jobs/{id}/promote"), 409, "wrong-state")


@pytest.mark.parametrize(("given", "expected"), [(0, 0), ("high", 9)])
def test_reprioritize(served: Served, given: object, expected: int) -> None:
    id = served.submit()
    answer = served.client.post(f"/api/jobs/{id}/reprioritize", json={"priority": given})
    assert answer.status_code == 200
    assert served.client.get(f"/api/jobs/{id}").json()["priority"] == expected
    answer = served.client.post(f"/api/jobs/{id}/reprioritize", json={"priority": "highest"})
    problem(answer, 422, "invalid-body")


def test_delete(served: Served) -> None:
    id = served.submit()
    answer = served.client.delete(f"/api/jobs/{id}")
    assert answer.status_code == 204 and answer.content == b""
    problem(served.client.delete(f"/api/jobs/{id}"), 404, "job-not-found")


def test_a_running_job_is_not_deleted(working: Served) -> None:
    id = working.submit("stay")
    working.until(id, "running")
    problem(working.client.delete(f"/api/jobs/{id}"), 409, "wrong-state")
    working.client.post(f"/api/jobs/{id}/cancel")


@pytest.mark.parametrize("verb", ["cancel", "retry", "promote"])
def test_moves_of_a_job_that_is_not_there(served: Served, verb: str) -> None:
    problem(served.client.post(f"/api/jobs/nobody/{verb}"), 404, "job-not-found")


def test_the_queue_may_be_named(served: Served) -> None:
    id = served.submit(queue="named")
    assert served.client.get(f"/api/jobs/{id}?queue=named").status_code == 200
    assert served.client.get(f"/api/jobs/{id}?queue=mail").status_code == 404
    problem(served.client.get(f"/api/jobs/{id}", params={"queue": "a}:{b"}), 422, "invalid-job")


def test_other_methods_are_refused_with_those_allowed(served: Served) -> None:
    answer = served.client.put("/api/jobs/x")
    problem(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "DELETE, GET, HEAD"
    answer = served.client.patch("/api/jobs")
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_no_such_route(served: Served) -> None:
    problem(served.client.get("/api/nothing"), 404, "no-such-route")
    assert served.client.get("/api/jobs/").status_code == 404


def test_queues_workers_handlers_and_figures(working: Served) -> None:
    working.until(working.submit("echo"), "completed")
    queues = {q["name"]: q for q in working.client.get("/api/queues").json()["queues"]}
    assert queues["default"]["totals"]["completed"] >= 1
    assert working.client.get("/api/queues/default").json()["name"] == "default"
    handlers = {h["name"]: h for h in working.client.get("/api/handlers").json()["handlers"]}
    assert handlers["send_email"]["schema"]["required"] == ["to"] and handlers["send_email"]["queue"] == "mail"
    assert working.client.get("/api/stats").json()["workers"] >= 1
    worker = working.client.get("/api/workers").json()["workers"][0]
    answer = working.client.post(f"/api/workers/{worker['id']}/order", json={"concurrency": 5})
    assert answer.status_code == 202
    problem(working.client.post("/api/workers/nobody/order", json={"concurrency": 5}), 404, "worker-not-found")


def test_pause_resume_and_purge(served: Served) -> None:
    id = served.submit(queue="held")
    paused = served.client.post("/api/queues/held/pause", json={"reason": "inventory"}).json()["paused"]
    assert paused["reason"] == "inventory" and paused["since_ms"] > 0
    claimed = served.client.post("/api/claim", json={"queue": "held", "worker": "w"})
    assert claimed.json()["jobs"] == []
    assert served.client.post("/api/queues/held/resume").json()["paused"] is None
    purged = served.client.post("/api/queues/held/purge", json={"state": "ready"}).json()
    assert purged == {"queue": "held", "state": "ready", "purged": 1}
    assert served.client.get(f"/api/jobs/{id}").status_code == 404
