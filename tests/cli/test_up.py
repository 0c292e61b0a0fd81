"""`nexq up`, `nexq stress`, `nexq doctor`: also in an empty folder, where the default is the embedded server."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.error
import urllib.request

import pytest

from nexq.store import Store
from tests.cli.conftest import Cli, Process
from tests.doctor.ward import QUEUE, key, stock
from tests.support.servers import Server, free_port, valkey_binary
from tests.support.waiting import until_sync


def get(port: int, path: str) -> tuple[int, str]:
    """(status, body); 0 for no answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def up(cli: Cli, *args: str) -> tuple[Process, int]:
    """A `nexq up` that is ready, and its port."""
    port = free_port()
    process = cli.spawn("up", "--port", str(port), *args)
    until_sync(lambda: get(port, "/readyz")[0] == 200 or process.popen.poll() is not None, 20, "/readyz")
    assert process.popen.poll() is None, process.text()
    return process, port


def test_up_in_an_empty_folder(bare: Cli) -> None:
    began = time.monotonic()
    process, port = up(bare, "--demo", "--grace", "0.2")
    took = time.monotonic() - began

    assert took < 5, took
    assert (bare.folder / ".nexq").is_dir()
    assert '<base href="/" />' in get(port, "/")[1]
    assert get(port, "/livez") == (200, "ok\n")
    assert f"http://127.0.0.1:{port}" in process.text() and "demo:hello" in process.text()
    assert bare.out("enqueue", "demo:add", '{"a": 2, "b": 3}', "--wait", "20") == "5.0\n"
    assert bare.json("workers", "ls")["workers"][0]["queues"] == ["default", "stress"]
    assert bare.json("queues", "show", "default")["totals"]["enqueued"] >= 2

    process.signal(signal.SIGINT)
    process.end(0)


def test_up_with_an_app_drains(cli: Cli) -> None:
    process, port = up(cli, "shop:app")
    job = cli.out("enqueue", "hold").strip()
    until_sync(lambda: "start" in cli.lines(), 10)
    process.signal(signal.SIGTERM)
    until_sync(lambda: get(port, "/readyz")[0] == 503, 10, "not ready while it drains")
    assert get(port, "/livez")[0] == 200
    (cli.folder / "go").touch()
    process.end(0)

    assert cli.json("jobs", "show", job)["state"] == "completed"


def test_up_is_not_ready_without_its_server(cli: Cli) -> None:
    server = Server(valkey_binary(), tcp=True).start()
    try:
        process, port = up(cli, "shop:app", "--url", server.url)
        server.kill()
        until_sync(lambda: get(port, "/readyz")[0] == 503, 10, "not ready without a server")
        server.start()
        until_sync(lambda: get(port, "/readyz")[0] == 200, 10, "ready again")
        process.signal(signal.SIGTERM)
        process.end(0)
    finally:
        server.stop()


def test_a_port_that_is_taken(cli: Cli) -> None:
    process, port = up(cli, "shop:app")
    said = cli.error("up", "--port", str(port))

    assert said == f"Error: Port {port} on 127.0.0.1 is taken by another program: choose another, --port N.\n"
    process.signal(signal.SIGTERM)
    process.end(0)


def test_a_host_that_cannot_be(cli: Cli) -> None:
    assert "Cannot listen on 203.0.113.7:0" in cli.error("up", "--host", "203.0.113.7", "--port", "0")
    assert "--demo shows the bundled handlers" in cli.error("up", "shop:app", "--demo", "--port", "0", code=2)


def test_reading_does_not_make_a_store(bare: Cli) -> None:
    assert "There are no jobs in embedded://.nexq yet" in bare.error("jobs", "ls")
    assert not (bare.folder / ".nexq").exists()


def test_the_embedded_store_keeps_jobs_between_commands(bare: Cli) -> None:
    id = bare.run("enqueue", "t", '{"a": 1}').stdout.strip()

    assert json.loads(bare.run("jobs", "show", id, "--json").stdout)["payload"] == {"a": 1}


def test_stress(cli: Cli) -> None:
    report = json.loads(cli.run("stress", "--jobs", "2000", "--payload-bytes", "100", "--json").stdout)

    assert (report["jobs"], report["measured"], report["errors"]) == (2000, 2000, 0)
    assert report["enqueue_per_s"] > 0 and report["drain_per_s"] > 0
    for name in ("pickup_ms", "total_ms"):
        latency = report[name]
        assert 0 <= latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["max"]
    assert report["pickup_ms"]["p50"] <= report["total_ms"]["p50"]
    assert sum(cli.json("queues", "show", "stress")["counts"].values()) == 0


def test_stress_at_a_rate_as_a_table(cli: Cli) -> None:
    text = cli.out("stress", "--jobs", "100", "--rate", "400")

    assert re.search(r"^run +[34]\d\d/s", text, re.M), text
    assert "enqueue to start" in text and "enqueue to end" in text


def test_stress_without_workers(cli: Cli) -> None:
    done = cli.call("stress", "--jobs", "50", "--no-workers", "--json")
    assert json.loads(done.stdout)["drain_per_s"] is None
    assert "No worker serves the queue 'stress'" in done.stderr

    done = cli.call("stress", "--jobs", "50", "--json")
    assert "50 jobs of an earlier run are still there" in done.stderr
    assert json.loads(done.stdout)["measured"] == 50


@pytest.mark.parametrize("args", [["--rate", "0"], ["--rate", "nan"], ["--url", "redis://127.0.0.1:1"]])
def test_stress_that_cannot_be(cli: Cli, args: list[str]) -> None:
    cli.error("stress", "--jobs", "10", *args)


def test_doctor_on_a_healthy_store(cli: Cli) -> None:
    cli.store(stock)
    report = cli.json("doctor")

    assert report["ok"] is True and report["checked"]["jobs"] > 5
    assert [f["code"] for f in report["findings"]] == ["server"]
    assert "0 errors, 1 warnings" in cli.out("doctor")


def test_doctor_on_a_damaged_store(cli: Cli) -> None:
    async def damage(store: Store) -> None:
        await stock(store)
        await store.backend.command("ZADD", key("dead"), 1, "ready-1")  # type: ignore[attr-defined]

    cli.store(damage)
    done = cli.run("doctor", "--json", code=1)
    report = json.loads(done.stdout)

    assert report["ok"] is False
    assert "I1" in [f["code"] for f in report["findings"] if f["queue"] == QUEUE and "ready-1" in f["ids"]]
    text = cli.call("doctor", code=1).stdout
    assert "I1" in text and "Jobs stand in more than one state set." in text and "ready-1" in text
    assert "is not a queue name" in cli.error("doctor", "--queues", "a b")


def test_doctor_without_a_server(cli: Cli) -> None:
    assert "cannot connect" in cli.error("doctor", "--url", "redis://127.0.0.1:1")
