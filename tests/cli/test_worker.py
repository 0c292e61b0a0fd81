"""`nexq worker`: start-up, draining, orders, and the supervisor of several processes."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest

from tests.cli.conftest import Cli
from tests.support.servers import free_port
from tests.support.waiting import until_sync


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie whose parent is not ours has ended, too.
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def workers(cli: Cli, number: int) -> list[dict[str, Any]]:
    """The living workers, when there are so many."""
    found = [w.as_dict() for w in cli.store(lambda store: store.views.directory()).workers if w.alive]
    return found if len(found) == number else []


def test_a_burst_runs_what_is_ready_and_ends(cli: Cli) -> None:
    job = cli.out("enqueue", "greet", '{"name": "Ada"}').strip()
    cli.run("enqueue", "mail", '{"to": "a", "n": 7}', "--app", "shop:app")  # only the app knows its queue

    done = cli.run("worker", "shop:app", "--burst", "--log-format", "json", "--name", "one")

    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(line.keys() >= {"time", "level", "logger", "message"} for line in lines)
    assert "worker one-" in lines[-2]["message"] and "queues default,mail" in lines[-2]["message"]
    assert "2 jobs done" in lines[-1]["message"]
    shown = cli.json("jobs", "show", job)
    assert (shown["state"], shown["result"]) == ("completed", "Hello, Ada!")


def test_only_the_queues_asked_for(cli: Cli) -> None:
    cli.run("enqueue", "greet")
    cli.run("enqueue", "mail", '{"to": "a"}', "--queue", "mail")

    cli.run("worker", "shop:app", "--queues", "mail, other", "--burst")

    counts = {q["name"]: q["counts"] for q in cli.json("queues", "ls")["queues"]}
    assert (counts["default"]["ready"], counts["mail"]["completed"]) == (1, 1)


def test_first_job_is_done_soon_after_the_start(cli: Cli) -> None:
    job = cli.out("enqueue", "hold").strip()
    (cli.folder / "go").touch()
    began = time.time()
    worker = cli.spawn("worker", "shop:app")
    until_sync(lambda: "end" in cli.lines(), 10)
    took = time.time() - began
    worker.signal(signal.SIGTERM)
    worker.end(0)

    # The aim is 0.7 s on a quiet machine; the bound allows for a busy one.
    assert took < 5, took
    assert cli.json("jobs", "show", job)["state"] == "completed"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_job_end(cli: Cli, number: signal.Signals) -> None:
    job = cli.out("enqueue", "hold").strip()
    worker = cli.spawn("worker", "shop:app")
    until_sync(lambda: "start" in cli.lines(), 10)
    worker.signal(number)
    worker.until("stopping")
    assert worker.popen.poll() is None
    (cli.folder / "go").touch()
    worker.end(0)

    assert cli.json("jobs", "show", job)["state"] == "completed"


def test_a_second_signal_gives_the_job_back_unharmed(cli: Cli) -> None:
    job = cli.out("enqueue", "hold").strip()
    worker = cli.spawn("worker", "shop:app", "--concurrency", "1")
    until_sync(lambda: "start" in cli.lines(), 10)
    worker.signal(signal.SIGTERM)
    worker.until("stopping: ")
    worker.signal(signal.SIGTERM)
    worker.end(0)

    shown = cli.json("jobs", "show", job)
    assert (shown["state"], shown["attempts"][-1]["outcome"]) == ("ready", "release")


def test_the_grace_is_kept(cli: Cli) -> None:
    job = cli.out("enqueue", "hold").strip()
    worker = cli.spawn("worker", "shop:app", env={"NEXQ_GRACE": "0.1"})
    until_sync(lambda: "start" in cli.lines(), 10)
    worker.signal(signal.SIGTERM)
    worker.end(0)

    assert cli.json("jobs", "show", job)["state"] == "ready"


def test_a_worker_obeys_orders(cli: Cli) -> None:
    worker = cli.spawn("worker", "shop:app", "--lease", "0.3", "--name", "w")
    until_sync(lambda: workers(cli, 1), 10)
    assert "was told to run 3 jobs" in cli.out("workers", "set-concurrency", "w-", "3")
    until_sync(lambda: workers(cli, 1)[0]["concurrency"] == 3, 10)
    assert "No living worker" in cli.error("workers", "drain", "nobody")
    cli.run("workers", "stop", "w")
    worker.end(0)

    assert cli.json("workers", "ls")["workers"] == []
    assert "No workers." in cli.out("workers", "ls")


def test_a_worker_waits_for_its_server_and_gives_up_in_the_end(cli: Cli) -> None:
    url = f"redis://:secret@127.0.0.1:{free_port()}"
    said = cli.run("worker", "shop:app", "--url", url, code=70, env={"NEXQ_WATCHDOG": "1"}).stderr

    assert "Trying again" in said
    assert said.splitlines()[-1].startswith("Error: The worker gives up: redis://:***@127.0.0.1:")


def test_a_dead_process_is_replaced_and_all_drain(cli: Cli) -> None:
    supervisor = cli.spawn("worker", "shop:app", "--processes", "2", "--name", "twin")
    first = until_sync(lambda: workers(cli, 2), 15, "two workers")
    assert sorted(w["id"].split("-")[1] for w in first) == ["1", "2"]
    os.kill(first[0]["pid"], signal.SIGKILL)
    supervisor.until("SIGKILL")

    def replaced() -> bool:
        seen = cli.store(lambda store: store.views.directory()).workers
        return len({w.info["pid"] for w in seen if w.alive} - {w["pid"] for w in first}) == 1

    until_sync(replaced, 15, "a new worker")
    job = cli.out("enqueue", "hold").strip()
    until_sync(lambda: "start" in cli.lines(), 10)
    supervisor.signal(signal.SIGTERM)
    supervisor.until("stopping")
    (cli.folder / "go").touch()
    supervisor.end(0)

    assert cli.json("jobs", "show", job)["state"] == "completed"
    assert not alive(first[1]["pid"])


def test_a_second_signal_reaches_the_processes(cli: Cli) -> None:
    job = cli.out("enqueue", "hold").strip()
    supervisor = cli.spawn("worker", "shop:app", "--processes", "2")
    until_sync(lambda: "start" in cli.lines(), 15)
    supervisor.signal(signal.SIGINT)
    supervisor.until("stopping: ")
    supervisor.signal(signal.SIGINT)
    supervisor.end(0)

    assert cli.json("jobs", "show", job)["state"] == "ready"


def test_processes_end_when_their_supervisor_is_killed(cli: Cli) -> None:
    supervisor = cli.spawn("worker", "shop:app", "--processes", "2")
    pids = [w["pid"] for w in until_sync(lambda: workers(cli, 2), 15, "two workers")]
    supervisor.signal(signal.SIGKILL)
    supervisor.end(-signal.SIGKILL)

    until_sync(lambda: not any(alive(pid) for pid in pids), 15, "the children to end")


def test_a_process_that_cannot_start_ends_them_all(cli: Cli) -> None:
    said = cli.run("worker", "nothere:app", "--processes", "2", code=1).stderr

    assert 'Could not import module "nothere".' in said
    assert "failed (exit code 1) and is not started again" in said


def test_a_burst_of_several_processes_ends(cli: Cli) -> None:
    lines = "".join('{"type": "greet"}\n' for _ in range(200))
    cli.run("enqueue", "-", stdin=lines)
    cli.run("worker", "shop:app", "--processes", "2", "--burst")

    assert cli.json("queues", "show", "default")["counts"]["completed"] == 200


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--concurrency", "0"], "Expected concurrency to be from 1 to 10,000, got 0."),
        (["--processes", "0"], "Expected processes to be from 1 to 256, got 0."),
        (["--lease", "nan"], "Expected the lease"),
        (["--grace", "-1"], "Expected the grace"),
        (["--queues", "a b"], "'a b' is not a queue name"),
        (["--queues", ","], "at least one queue"),
        (["--name", "a b"], "is not a job id"),
    ],
)
def test_settings_that_cannot_be(cli: Cli, args: list[str], said: str) -> None:
    assert said in cli.error("worker", "shop:app", *args)
