"""Workers in any language: claim, complete, fail, extend."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from nexq.web import claims
from tests.support.waiting import until_sync
from tests.web.conftest import Served
from tests.web.test_submit import problem

SHELL_WORKER = Path(__file__).resolve().parents[2] / "examples" / "shell_worker.sh"


def claim(served: Served, queue: str, **more: Any) -> list[dict[str, Any]]:
    answer = served.client.post("/api/claim", json={"queue": queue, "worker": "w1", **more})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["jobs"])


def test_claim_and_complete(served: Served) -> None:
    id = served.submit("echo", {"value": 1}, queue="c1", priority=7)
    (job,) = claim(served, "c1")
    assert (job["id"], job["type"], job["payload"]) == (id, "echo", {"value": 1})
    assert (job["priority"], job["attempt"], job["delivery"], job["queue"]) == (7, 1, 1, "c1")
    shown = served.client.get(f"/api/jobs/{id}").json()
    assert shown["state"] == "running" and shown["worker"] == "http:w1"
    answer = served.client.post(f"/api/jobs/{id}/complete", json={"token": job["token"], "result": {"ok": True}})
    assert answer.json() == {"id": id, "state": "completed"}
    again = served.client.post(f"/api/jobs/{id}/complete", json={"token": job["token"], "result": {"ok": True}})
    assert again.json() == {"id": id, "state": "completed"}
    assert served.client.get(f"/api/jobs/{id}").json()["result"] == {"ok": True}


def test_an_old_token_changes_nothing(served: Served) -> None:
    id = served.submit(queue="c2")
    (job,) = claim(served, "c2")
    wrong = {"token": job["token"] + 1}
    for verb in ("complete", "fail", "extend"):
        problem(served.client.post(f"/api/jobs/{id}/{verb}", json=wrong), 409, "not-owner")
    assert served.state(id) == "running"


def test_fail_is_tried_again_or_dead(served: Served) -> None:
    id = served.submit(queue="c3")
    (job,) = claim(served, "c3")
    body = {"token": job["token"], "error": "no route", "type": "NetworkError", "retry_in": 0}
    assert served.client.post(f"/api/jobs/{id}/fail", json=body).json()["state"] in ("retrying", "ready")
    (job,) = claim(served, "c3", wait=5)
    assert (job["attempt"], job["delivery"]) == (2, 2)
    answer = served.client.post(f"/api/jobs/{id}/fail", json={"token": job["token"], "error": "still none"})
    assert answer.json()["state"] == "dead"
    shown = served.client.get(f"/api/jobs/{id}").json()
    assert [a["error"]["message"] for a in shown["attempts"]] == ["no route", "still none"]


def test_extend_keeps_a_claim_and_tells_of_a_cancel(served: Served) -> None:
    id = served.submit(queue="c4")
    (job,) = claim(served, "c4", lease=5)
    before = served.client.get(f"/api/jobs/{id}").json()["lease_until_ms"]
    answer = served.client.post(f"/api/jobs/{id}/extend", json={"token": job["token"], "lease": 60})
    assert answer.json() == {"id": id, "cancel_requested": False}
    assert served.client.get(f"/api/jobs/{id}").json()["lease_until_ms"] > before + 50_000
    assert served.client.post(f"/api/jobs/{id}/cancel").status_code == 202
    answer = served.client.post(f"/api/jobs/{id}/extend", json={"token": job["token"]})
    assert answer.json()["cancel_requested"] is True
    assert served.client.post(f"/api/jobs/{id}/fail", json={"token": job["token"]}).status_code == 200


def test_a_lost_claim_goes_to_another(served: Served) -> None:
    id = served.submit(queue="c5")
    (first,) = claim(served, "c5", lease=1)
    (second,) = claim(served, "c5", worker="w2", wait=10)
    assert second["id"] == id and second["token"] > first["token"] and second["delivery"] == 2
    problem(served.client.post(f"/api/jobs/{id}/complete", json={"token": first["token"]}), 409, "not-owner")
    assert served.client.post(f"/api/jobs/{id}/complete", json={"token": second["token"]}).status_code == 200


def test_n_jobs_highest_priority_first(served: Served) -> None:
    for priority in (1, 9, 5):
        served.submit("echo", priority, queue="c6", priority=priority)
    assert [job["payload"] for job in claim(served, "c6", n=2)] == [9, 5]
    assert [job["payload"] for job in claim(served, "c6", n=100)] == [1]


def test_wait_hears_of_a_job_that_comes_later(served: Served) -> None:
    found: list[dict[str, Any]] = []
    waiter = threading.Thread(target=lambda: found.extend(claim(served, "c7", wait=20)))
    waiter.start()
    id = served.submit(queue="c7")
    waiter.join(20)
    assert [job["id"] for job in found] == [id]


def test_waiting_without_a_job_ends_in_time(served: Served) -> None:
    started = time.monotonic()
    assert claim(served, "c8", wait=0.3) == []
    assert 0.25 < time.monotonic() - started < 5


def test_only_the_wanted_types(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "NOT_MINE_S", 1.0)
    others = [served.submit("other", n, queue="c9", priority=9) for n in range(30)]
    wanted = [served.submit("wanted", n, queue="c9") for n in range(2)]
    jobs = claim(served, "c9", handlers=["wanted", "also"], n=5)
    assert [job["id"] for job in jobs] == wanted
    shown = served.client.get(f"/api/jobs/{others[0]}").json()
    assert shown["state"] == "scheduled" and shown["attempt"] == 0
    assert "asked for other types" in shown["error"]
    assert claim(served, "c9", handlers=["wanted"]) == []
    assert {job["id"] for job in claim(served, "c9", n=100, wait=10)} <= set(others)


def test_jobs_taken_for_a_caller_that_hung_up_are_ready_again(served: Served) -> None:
    import httpx

    with httpx.Client(base_url=served.url, timeout=0.3, trust_env=False) as client, pytest.raises(httpx.ReadTimeout):
        client.post("/api/claim", json={"queue": "c10", "worker": "gone", "wait": 30})
    id = served.submit(queue="c10")
    until_sync(lambda: served.state(id) == "ready", 5.0)
    (job,) = claim(served, "c10", wait=10)
    assert job["id"] == id and job["attempt"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"worker": ""},
        {"worker": "a b"},
        {"worker": "w", "queue": "a}b"},
        {"worker": "w", "n": 0},
        {"worker": "w", "n": 101},
        {"worker": "w", "lease": 0},
        {"worker": "w", "wait": 61},
        {"worker": "w", "handlers": []},
        {"worker": "w", "handlers": "echo"},
        {"n": 1},
    ],
    ids=str,
)
def test_bad_claims(served: Served, body: dict[str, Any]) -> None:
    assert served.client.post("/api/claim", json=body).status_code == 422


def test_bad_settlements(served: Served) -> None:
    id = served.submit(queue="c11")
    (job,) = claim(served, "c11")
    for body in ({"token": -1}, {"token": 2**63}, {"token": "1"}, {}, {"token": 1, "x": 1}):
        assert served.client.post(f"/api/jobs/{id}/complete", json=body).status_code == 422
    raw = f'{{"token": {job["token"]}, "result": NaN}}'
    headers = {"Content-Type": "application/json"}
    answer = served.client.post(f"/api/jobs/{id}/complete", content=raw, headers=headers)
    assert problem(answer, 422, "invalid-body")["errors"][0]["pointer"] == "/result"
    problem(served.client.post("/api/jobs/nobody/complete", json={"token": 1}), 404, "job-not-found")
    served.client.post(f"/api/jobs/{id}/complete", json={"token": job["token"]})


def test_the_worker_in_plain_shell(served: Served) -> None:
    ids = [served.submit("shout", f'quote " and\nline {n} é', queue="shell") for n in range(3)]
    bad = served.submit("unknown", 1, queue="shell")
    fails = served.submit("break", "x", queue="shell")
    env = {"PATH": os.environ["PATH"], "NEXQ_API": served.url, "NEXQ_QUEUE": "shell", "NEXQ_WAIT": "1"}
    done = subprocess.run(
        ["bash", str(SHELL_WORKER), "4"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for n, id in enumerate(ids):
        job = served.client.get(f"/api/jobs/{id}").json()
        assert job["state"] == "completed" and job["result"] == f'QUOTE " AND\nLINE {n} É', (job, done)
    assert served.state(fails) in ("retrying", "ready", "dead")
    assert served.state(bad) in ("scheduled", "ready")


def test_a_worker_reports_on_its_job(served: Served) -> None:
    id = served.submit("echo", 1, queue="reports")
    (job,) = served.client.post("/api/claim", json={"worker": "w", "queue": "reports"}).json()["jobs"]
    told = {"token": job["token"], "progress": 0.5, "text": "half", "lines": ["one", "two\nlines"], "level": "warning"}
    answer = served.client.post(f"/api/jobs/{id}/report", json=told)
    assert (answer.status_code, answer.json()) == (200, {"id": id, "state": "running"})
    shown = served.client.get(f"/api/jobs/{id}?exact=1").json()
    assert (shown["progress"]["fraction"], shown["progress"]["text"]) == (0.5, "half")
    assert [(line["n"], line["level"], line["text"], line["attempt"]) for line in shown["log"]] == [
        (1, "warning", "one", 1),
        (2, "warning", "two\nlines", 1),
    ]
    assert (shown["payload_json"], shown["result_json"]) == ("1", None)
    other = {**told, "token": job["token"] + 1}
    problem(served.client.post(f"/api/jobs/{id}/report", json=other), 409, "not-owner")
    for bad in ({"progress": 2}, {"progress": "x"}, {"lines": ["x"] * 201}, {"level": "loud"}, {"lines": "one"}):
        problem(served.client.post(f"/api/jobs/{id}/report", json={**told, **bad}), 422, "invalid-body")
    assert served.client.post(f"/api/jobs/{id}/report", json={"token": job["token"]}).status_code == 200
