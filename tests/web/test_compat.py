"""The calls of the systems that nexq replaces, as they were."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.web.conftest import Served


def test_post_tasks(working: Served) -> None:
    answer = working.client.post(
        "/api/tasks",
        json={"type": "send_email", "payload": {"to": "a@example.com", "subject": "hi"}, "priority": 5},
    )
    assert answer.status_code == 202
    body = answer.json()
    assert body["status"] == "queued" and body["task_id"] == body["id"]
    job = working.until(body["id"], "completed")
    assert job["result"] == {"sent_to": "a@example.com"} and job["priority"] == 5


def test_post_tasks_in_an_hour(working: Served) -> None:
    answer = working.client.post(
        "/api/tasks", json={"type": "send_email", "payload": {"to": "a@example.com"}, "schedule_in": 3600}
    )
    body = answer.json()
    assert answer.status_code == 202 and body["status"] == "scheduled"
    job = working.client.get(f"/api/tasks/{body['id']}").json()
    assert job["state"] == "scheduled"
    assert job["due_ms"] - job["enqueued_ms"] == pytest.approx(3_600_000, abs=1000)


def test_get_tasks(working: Served) -> None:
    id = working.submit("echo", "x")
    working.until(id, "completed")
    listed = working.client.get("/api/tasks").json()["jobs"]
    assert id in [job["id"] for job in listed]
    one = working.client.get(f"/api/tasks/{id}").json()
    assert (one["id"], one["type"], one["payload"], one["result"]) == (id, "echo", "x", "x")
    assert one == working.client.get(f"/api/jobs/{id}").json()


def test_post_task_with_a_plain_string(working: Served) -> None:
    answer = working.client.post("/task", json={"type": "echo", "payload": "a plain string"})
    assert answer.status_code == 200
    assert answer.json() == {"status": "queued", "task_id": answer.json()["task_id"]}
    assert working.until(answer.json()["task_id"], "completed")["result"] == "a plain string"


def test_a_job_that_is_not_there(working: Served) -> None:
    answer = working.client.get("/api/tasks/nobody")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:nexq:problem:job-not-found"


ID = "VbgkymGFLL4n0s"
DOCS = Path(__file__).resolve().parents[2] / "docs"


def examples(page: str) -> list[str]:
    """The curl commands of a page, one each."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / page).read_text(), re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    commands = [part.strip() for line in lines for part in re.split(r"; (?=curl)|\s+# ", line)]
    return [command for command in commands if command.startswith("curl")]


@pytest.mark.parametrize("command", [*examples("rest.md"), *examples("protocol.md")])
def test_the_examples_of_the_docs(working: Served, command: str) -> None:
    id = working.submit("stay", queue="held")
    command = command.replace(ID, id).replace("localhost:8080", working.url) + " -o /dev/null -w '%{http_code}'"
    command = re.sub(r'"wait": \d+', '"wait": 1', command)
    # A stream does not end by itself: curl does, by 28.
    command = command.replace("curl -sN", "curl -sN --max-time 1")
    env = {**os.environ, "WORKER": working.client.get("/api/workers").json()["workers"][0]["id"]}
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False, env=env)
    assert done.returncode in (0, 28), (command, done.stderr)
    # 409: the job is not in the state of the example, or the token is not the one of this run.
    assert int(done.stdout) in (200, 202, 204, 409), (command, done.stdout)
