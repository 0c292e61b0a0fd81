"""Submitting over HTTP: what is taken, what is refused, and how a repeat is recognised."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.proxy import FaultProxy
from tests.support.servers import Server
from tests.web.conftest import Served, make_app


def problem(answer: Any, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = dict(answer.json())
    assert body["type"] == f"urn:nexq:problem:{kind}", body
    assert body["status"] == status and body["title"] and body["detail"]
    return body


def test_taken(served: Served) -> None:
    answer = served.client.post("/api/jobs", json={"type": "send_email", "payload": {"to": "a"}, "priority": "high"})
    assert answer.status_code == 202
    body = answer.json()
    assert body == {
        "id": body["id"],
        "task_id": body["id"],
        "status": "queued",
        "state": "ready",
        "queue": "mail",
        "duplicate": False,
    }
    assert answer.headers["location"].startswith(f"/api/jobs/{body['id']}")
    job = served.client.get(answer.headers["location"]).json()
    assert job["priority"] == 9 and job["timeline"][0]["event"] == "enqueued"


def test_every_option(served: Served) -> None:
    at = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    id = served.submit(
        "echo",
        {"value": [1, None, "é"]},
        queue="other",
        run_at=at.isoformat(),
        max_attempts=7,
        timeout=2.5,
        unique_key="k",
        max_deliveries=1,
        id="mine-1",
    )
    job = served.client.get(f"/api/jobs/{id}").json()
    assert id == "mine-1" and job["queue"] == "other" and job["unique"] == "k"
    assert job["options"] == {"max_attempts": 7, "timeout_s": 2.5}
    assert job["due_ms"] == pytest.approx(at.timestamp() * 1000, abs=1)


def test_an_id_in_any_script_has_a_usable_location(served: Served) -> None:
    answer = served.client.post("/api/jobs", json={"type": "echo", "id": "Straße-日本"})
    assert answer.status_code == 202
    assert served.client.get(answer.headers["location"]).json()["id"] == "Straße-日本"


def test_what_does_not_fit_is_named_by_pointers(served: Served) -> None:
    answer = served.client.post(
        "/api/jobs", json={"type": "echo", "priority": 10, "schedule_in": -1, "queue": "a b", "a/b~c": 1}
    )
    errors = problem(answer, 422, "invalid-body")["errors"]
    assert {e["pointer"].removesuffix("/constrained-int") for e in errors} >= {"/schedule_in", "/queue", "/a~1b~0c"}
    assert any(e["pointer"].startswith("/priority") for e in errors)
    assert {e["pointer"] for e in errors} == {"/priority", "/schedule_in", "/queue", "/a~1b~0c"}


def test_a_payload_that_does_not_fit_its_handler(served: Served) -> None:
    answer = served.client.post("/api/jobs", json={"type": "send_email", "payload": {"to": 5, "bcc": "x"}})
    errors = problem(answer, 422, "invalid-payload")["errors"]
    assert {e["pointer"] for e in errors} == {"/payload/to", "/payload/bcc"}


@pytest.mark.parametrize(
    "field",
    [
        {"priority": True},
        {"priority": "5"},
        {"schedule_in": "5"},
        {"run_at": 1_700_000_000},
        {"run_at": "2026-01-01T00:00:00"},
        {"run_at": "2026-01-01T00:00:00Z", "schedule_in": 1},
        {"max_attempts": 0},
        {"max_attempts": 1.5},
        {"timeout": 1e12},
        {"unique_key": ""},
        {"id": "a/b"},
        {"type": ""},
        {"type": 5},
    ],
    ids=str,
)
def test_options_of_the_wrong_kind(served: Served, field: dict[str, Any]) -> None:
    answer = served.client.post("/api/jobs", json={"type": "echo", **field})
    assert answer.status_code == 422, answer.text


def test_an_unknown_type_is_taken_with_a_warning(served: Served) -> None:
    answer = served.client.post("/api/jobs", json={"type": "send_emial", "payload": {}})
    assert answer.status_code == 202
    assert "Did you mean 'send_email'?" in answer.json()["warning"]


def test_strict_mode_refuses_an_unknown_type(valkey: Server) -> None:
    with Served(make_app(valkey.url, strict=True)) as strict:
        answer = strict.client.post("/api/jobs", json={"type": "send_emial"})
        body = problem(answer, 422, "unknown-handler")
        assert body["near"] == ["send_email"] and body["errors"][0]["pointer"] == "/type"


def test_a_unique_conflict_names_the_holder(served: Served) -> None:
    holder = served.submit("echo", 1, unique_key="only-one")
    answer = served.client.post("/api/jobs", json={"type": "echo", "payload": 2, "unique_key": "only-one"})
    assert problem(answer, 409, "unique-conflict")["holder"] == holder


# -- Idempotency-Key


def test_a_repeat_with_the_same_key_is_the_same_job(served: Served) -> None:
    body = {"type": "echo", "payload": {"value": 1}}
    first, again = (
        served.client.post("/api/jobs", json=body, headers={"Idempotency-Key": "order-17"}) for _ in range(2)
    )
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]
    assert not first.json()["duplicate"] and again.json()["duplicate"]
    assert again.headers["idempotent-replayed"] == "true" and "idempotent-replayed" not in first.headers


def test_the_same_key_for_another_body_is_refused(served: Served) -> None:
    headers = {"Idempotency-Key": "order-18"}
    served.client.post("/api/jobs", json={"type": "echo", "payload": 1}, headers=headers)
    answer = served.client.post("/api/jobs", json={"type": "echo", "payload": 2}, headers=headers)
    problem(answer, 422, "idempotency-key-reused")


def test_a_key_is_remembered_when_its_job_was_deleted(served: Served) -> None:
    headers = {"Idempotency-Key": "order-19"}
    body = {"type": "echo", "payload": 1}
    id = served.client.post("/api/jobs", json=body, headers=headers).json()["id"]
    assert served.client.delete(f"/api/jobs/{id}").status_code == 204
    again = served.client.post("/api/jobs", json=body, headers=headers)
    assert again.json()["id"] == id and again.json()["duplicate"]
    assert served.client.get(f"/api/jobs/{id}").status_code == 404
    waiting = served.client.post("/api/jobs", json=body, headers={**headers, "Prefer": "wait=1"})
    assert waiting.status_code == 202 and waiting.json()["id"] == id


def test_bad_keys(served: Served) -> None:
    for key in ("", "x" * 256, "a\tb"):
        answer = served.client.post("/api/jobs", json={"type": "echo"}, headers={"Idempotency-Key": key})
        problem(answer, 400, "bad-idempotency-key")
    answer = served.client.post("/api/jobs", json={"type": "echo", "id": "x"}, headers={"Idempotency-Key": "k"})
    problem(answer, 422, "invalid-body")


# -- Prefer: wait


def test_prefer_wait_gives_the_result(working: Served) -> None:
    answer = working.client.post(
        "/api/jobs", json={"type": "echo", "payload": {"value": 42}}, headers={"Prefer": "wait=10"}
    )
    assert answer.status_code == 200 and answer.headers["preference-applied"] == "wait=10"
    assert answer.json()["state"] == "completed" and answer.json()["result"] == 42


def test_prefer_wait_of_a_job_that_fails(working: Served) -> None:
    answer = working.client.post("/api/jobs", json={"type": "fail", "payload": "so"}, headers={"Prefer": "wait=10"})
    assert answer.status_code == 200 and answer.json()["state"] == "dead"
    assert answer.json()["error"] == "ValueError: so"


def test_prefer_wait_that_is_too_short(served: Served) -> None:
    answer = served.client.post("/api/jobs", json={"type": "echo"}, headers={"Prefer": "respond-async, wait=0"})
    assert answer.status_code == 202 and answer.json()["status"] == "queued"


# -- A handler's own path


def test_one_handlers_path_takes_the_payload_itself(working: Served) -> None:
    answer = working.client.post("/api/handlers/echo/jobs", json={"value": [1]}, headers={"Prefer": "wait=10"})
    assert answer.json()["result"] == [1]
    answer = working.client.post("/api/handlers/echo/jobs", headers={"Prefer": "wait=10"})
    assert answer.status_code == 200 and answer.json()["result"] is None


def test_a_handlers_path_takes_no_form(served: Served) -> None:
    answer = served.client.post("/api/handlers/echo/jobs", content='"x"', headers={"Content-Type": "text/plain"})
    problem(answer, 415, "media-type")


# -- jobs:batch


def test_a_batch(served: Served) -> None:
    jobs = [{"type": "send_email", "payload": {"to": f"u{n}"}, "schedule_in": n % 2 or None} for n in range(1000)]
    answer = served.client.post("/api/jobs:batch", json={"jobs": jobs})
    assert answer.status_code == 202
    body = answer.json()
    assert (body["accepted"], body["failed"], len(body["results"])) == (1000, 0, 1000)
    assert [r["status"] for r in body["results"][:2]] == ["queued", "scheduled"]
    assert len({r["id"] for r in body["results"]}) == 1000


def test_a_batch_tells_of_each_item(served: Served) -> None:
    holder = served.submit("echo", 0, unique_key="batch-key")
    jobs: list[Any] = [
        {"type": "echo", "payload": 1},
        {"type": "echo", "priority": 99},
        {"type": "send_email", "payload": {}},
        "not a job",
        {"type": "echo", "unique_key": "batch-key"},
        {"type": "echo", "payload": 2**63},
        {"type": "nobody", "run_at": "2030-01-01T00:00:00+02:00"},
    ]
    answer = served.client.post("/api/jobs:batch", json={"jobs": jobs})
    body = answer.json()
    assert answer.status_code == 202 and (body["accepted"], body["failed"]) == (2, 5)
    statuses = [r["status"] for r in body["results"]]
    assert statuses == ["queued", 422, 422, 422, 409, 422, "scheduled"]
    kinds = [r.get("type", "").removeprefix("urn:nexq:problem:") for r in body["results"]]
    assert kinds[1:6] == ["invalid-body", "invalid-payload", "invalid-body", "unique-conflict", "invalid-payload"]
    assert body["results"][2]["errors"][0]["pointer"] == "/payload/to"
    assert body["results"][4]["holder"] == holder
    assert "warning" in body["results"][6]


def test_a_batch_of_nothing_good(served: Served) -> None:
    answer = served.client.post("/api/jobs:batch", json={"jobs": [{"typ": "echo"}]})
    assert answer.status_code == 422 and answer.json()["failed"] == 1


def test_a_batch_has_1_to_1000_jobs(served: Served) -> None:
    for jobs in ([], [{"type": "echo"}] * 1001):
        problem(served.client.post("/api/jobs:batch", json={"jobs": jobs}), 422, "invalid-body")


# -- The backend is away


@pytest.fixture
def behind_proxy(valkey: Server) -> Iterator[tuple[Served, FaultProxy]]:
    with FaultProxy(valkey.address) as proxy, Served(make_app(proxy.url, patience=0.2)) as served:
        yield served, proxy


def test_503_while_the_backend_is_away_and_back_again(behind_proxy: tuple[Served, FaultProxy]) -> None:
    served, proxy = behind_proxy
    assert served.client.post("/api/jobs", json={"type": "echo"}).status_code == 202
    proxy.refuse("LOADING Redis is loading the dataset in memory")
    for _ in range(3):
        answer = served.client.post("/api/jobs", json={"type": "echo"})
        problem(answer, 503, "backend-unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert served.client.get("/api/jobs").status_code == 503
    proxy.heal()
    assert served.client.post("/api/jobs", json={"type": "echo"}).status_code == 202


def test_503_when_the_answer_was_lost_and_the_same_key_repeats_safely(
    behind_proxy: tuple[Served, FaultProxy],
) -> None:
    served, proxy = behind_proxy
    served.submit("echo", 0)
    fault = proxy.drop_replies(command=b"EVALSHA")
    headers = {"Idempotency-Key": "lost"}
    answer = served.client.post("/api/jobs", json={"type": "echo", "payload": 1}, headers=headers)
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
    assert fault.done
    proxy.heal()
    again = served.client.post("/api/jobs", json={"type": "echo", "payload": 1}, headers=headers)
    assert again.status_code == 202
    listed = served.client.get("/api/jobs", params={"type": "echo"}).json()["jobs"]
    assert [job["payload"] for job in listed].count(1) == 1
