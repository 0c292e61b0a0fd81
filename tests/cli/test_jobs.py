"""`nexq jobs`, `nexq dead`, `nexq queues`: looking and moving, on a queue with jobs in every state."""

from __future__ import annotations

from typing import Any

import pytest

from nexq.store import Store
from tests.cli.conftest import Cli
from tests.doctor.ward import QUEUE, key, stock


@pytest.fixture
def ward(cli: Cli) -> Cli:
    """nexq with a queue that has jobs in every state, each called `<state>-1`."""
    cli.store(stock)
    return cli


def states(cli: Cli) -> dict[str, str]:
    """Id -> state."""
    return {job["id"]: job["state"] for job in cli.json("jobs", "ls")["jobs"]}


def test_ls_shows_the_living_first(ward: Cli) -> None:
    listed = ward.json("jobs", "ls")

    order = list(dict.fromkeys(job["state"] for job in listed["jobs"]))
    assert order == ["running", "ready", "retrying", "scheduled", "dead", "cancelled", "completed"]
    assert listed["more"] is False
    ready = [job["id"] for job in listed["jobs"] if job["state"] == "ready"]
    assert ready == ["ready-2", "ready-1", "unique-1"]


def test_ls_filters(ward: Cli) -> None:
    def ids(*args: str) -> list[str]:
        return [job["id"] for job in ward.json("jobs", "ls", *args)["jobs"]]

    assert ids("--state", "dead") == ["dead-1"]
    assert ids("--queue", QUEUE, "--state", "retrying") == ["retrying-1"]
    assert ids("--queue", "empty") == []
    assert ids("--type", "other") == []
    assert len(ids("--type", "t", "--limit", "3")) == 3
    assert "There are more than these 3" in ward.call("jobs", "ls", "-n", "3").stderr
    assert "No jobs." in ward.out("jobs", "ls", "-t", "other")
    assert "is not a queue name" in ward.error("jobs", "ls", "-q", "a b")
    assert "'nowhere'" in ward.error("jobs", "ls", "-s", "nowhere", code=2)


def test_ls_is_plain_columns_outside_a_terminal(ward: Cli) -> None:
    lines = ward.run("jobs", "ls", "--state", "dead").stdout.splitlines()

    assert lines[0].split() == ["id", "type", "queue", "state", "prio", "try", "when", "about"]
    assert lines[1].startswith("dead-1  t     ward   dead") and lines[1].endswith("E: m")


def test_show(ward: Cli) -> None:
    text = ward.out("jobs", "show", "dead-1")
    assert "state         dead" in text and "attempt 1: bury" in text and "E: m" in text
    assert "result        done" in ward.out("jobs", "show", "completed-1", "--queue", QUEUE)
    assert ward.json("jobs", "show", "retrying-1")["due_ms"] > 0
    assert "No job 'nope' in any of 1 queues" in ward.error("jobs", "show", "nope")
    assert "No job 'dead-1' in queue 'other'" in ward.error("jobs", "show", "dead-1", "-q", "other")


def test_cancel(ward: Cli) -> None:
    told = ward.json("jobs", "cancel", "ready-1", "scheduled-1", "running-1")["jobs"]

    assert [t["now"] for t in told] == ["cancelled", "cancelled", "running: its worker was told to stop it"]
    assert states(ward)["ready-1"] == "cancelled"


def test_what_is_refused_is_said_and_the_rest_is_done(ward: Cli) -> None:
    done = ward.call("jobs", "cancel", "completed-1", "nope", "ready-1", code=1)

    assert done.stdout == "ready-1  cancelled\n"
    assert done.stderr.splitlines() == [
        "completed-1: it has ended: completed",
        "nope: No job 'nope' in any of 1 queues. It never was, or its retention has passed.",
        "Error: 2 of 3 jobs could not be changed.",
    ]


def test_retry_and_run_now(ward: Cli) -> None:
    ward.run("jobs", "retry", "dead-1", "cancelled-1", "retrying-1")
    ward.call("jobs", "run-now", "scheduled-1")
    now = states(ward)
    assert {now[id] for id in ("dead-1", "cancelled-1", "retrying-1", "scheduled-1")} == {"ready"}

    assert "completed-1: it is completed;" in ward.call("jobs", "retry", "completed-1", code=1).stderr
    assert "only scheduled and retrying jobs" in ward.call("jobs", "run-now", "completed-1", code=1).stderr


def test_prioritize(ward: Cli) -> None:
    ward.call("jobs", "prioritize", "ready-1", "high")
    assert ward.json("jobs", "show", "ready-1")["priority"] == 9
    assert "it is dead" in ward.call("jobs", "prioritize", "dead-1", "3", code=1).stderr
    assert "Expected a priority from 0 to 9" in ward.error("jobs", "prioritize", "ready-1", "10")


def test_rm(ward: Cli) -> None:
    ward.call("jobs", "rm", "ready-1", "dead-1")
    assert not {"ready-1", "dead-1"} & states(ward).keys()
    assert "`nexq jobs cancel running-1` first" in ward.call("jobs", "rm", "running-1", code=1).stderr


def test_rm_of_a_damaged_job(ward: Cli) -> None:
    async def damage(store: Store) -> None:
        await store.backend.command("ZREM", key("dead"), "dead-1")  # type: ignore[attr-defined]

    ward.store(damage)
    assert ward.json("jobs", "rm", "dead-1")["jobs"][0]["queue"] == QUEUE
    assert ward.json("doctor")["ok"] is True
    assert "No job 'dead-1'" in ward.error("jobs", "rm", "dead-1")


def test_dead(ward: Cli) -> None:
    assert [job["id"] for job in ward.json("dead", "ls")["jobs"]] == ["dead-1"]
    assert "Say which" in ward.error("dead", "revive", code=2)
    assert ward.json("dead", "revive", "--all", "--type", "other") == {"revived": 0, "refused": 0}
    assert ward.json("dead", "revive", "--all") == {"revived": 1, "refused": 0}
    assert states(ward)["dead-1"] == "ready"


def test_dead_purge_asks(ward: Cli) -> None:
    assert "There is no terminal to ask on: say --yes" in ward.error("dead", "purge")
    assert ward.json("dead", "purge", "--yes") == {"purged": 1}
    assert "dead-1" not in states(ward)


def test_revive_names_the_holder_of_the_unique_key(ward: Cli) -> None:
    ward.call("jobs", "cancel", "unique-1")
    holder = ward.json("enqueue", "t", "--unique", "u", "-q", QUEUE)["id"]

    assert f"held by the living job {holder}" in ward.call("jobs", "retry", "unique-1", code=1).stderr


def test_queues(ward: Cli) -> None:
    def shown() -> Any:
        return ward.json("queues", "show", QUEUE)

    assert shown()["counts"]["ready"] == 3 and shown()["paused"] is None
    assert ward.out("queues", "ls").splitlines()[1].split()[:2] == [QUEUE, "3"]
    ward.call("queues", "pause", QUEUE, "--reason", "moving house")
    assert shown()["paused"]["reason"] == "moving house"
    assert "(moving house)" in ward.out("queues", "ls")
    ward.call("queues", "resume", QUEUE)
    assert shown()["paused"] is None
    assert "There is no queue 'nope'. Known: ward." in ward.error("queues", "pause", "nope")


def test_purge(ward: Cli) -> None:
    assert "Delete 3 ready jobs of queue 'ward' for good?" in ward.error("queues", "purge", QUEUE)
    assert ward.json("queues", "purge", QUEUE, "--yes") == {"purged": 3}
    assert ward.json("queues", "purge", QUEUE, "--state", "completed", "-y") == {"purged": 1}
    assert "cannot be purged" in ward.error("queues", "purge", QUEUE, "-s", "running", "-y")


def test_an_empty_store(cli: Cli) -> None:
    assert cli.out("jobs", "ls") == "No jobs.\n"
    assert cli.out("queues", "ls") == "No queues.\n"
    assert cli.json("workers", "ls") == {"workers": []}
    assert "it has no queues yet" in cli.error("jobs", "show", "x")
