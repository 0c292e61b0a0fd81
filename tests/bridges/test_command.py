"""`nexq bridge rabbitmq` as a user runs it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from nexq.bridges.rabbitmq import Tally, families
from nexq.metrics.names import BRIDGE, BUILD
from nexq.metrics.text import exposition
from nexq.states import JobState
from nexq.store import Store
from tests.cli.conftest import Cli, cli
from tests.support.rabbitmq import Rabbit
from tests.support.servers import free_port
from tests.support.waiting import until_sync

__all__ = ["cli"]


def ask(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return answer.read().decode()


def test_from_the_start_to_the_end(rabbit: Rabbit, runner: asyncio.Runner, amqp: str, cli: Cli) -> None:
    queue, dead = runner.run(rabbit.dead_lettered())
    runner.run(rabbit.publish(queue, b'{"type":"greet","payload":{"name":"Ada"}}', message_id="hello-1"))
    runner.run(rabbit.publish(queue, b"hello"))
    port = free_port()
    where = ("--amqp", amqp, "--amqp-queue", queue, "--prefetch", "50", "--metrics-addr", f"127.0.0.1:{port}")
    process = cli.spawn("bridge", "rabbitmq", *where, "--queue", "in", "--app", "shop:app", "--allow-unsafe")
    process.until("reason=body")
    until_sync(lambda: 'outcome="enqueued"} 1.0' in ask(port, "/metrics"), 10)
    assert ask(port, "/readyz") == "ready\n"
    assert {f.name for f in parse(ask(port, "/metrics"))} == {*BRIDGE, f"{BUILD}_info"}
    process.signal(signal.SIGTERM)
    text = process.end(0)
    assert f"consuming '{queue}' with prefetch 50" in text
    assert "1 messages became jobs, 0 had become one before, 1 rejected" in text
    assert "guest:guest" not in text
    assert cli.json("jobs", "show", "hello-1")["payload"] == {"name": "Ada"}
    assert runner.run(rabbit.waiting(queue)) == 0
    assert runner.run(rabbit.waiting(dead)) == 1


def test_a_worker_does_what_comes_in(rabbit: Rabbit, runner: asyncio.Runner, amqp: str, cli: Cli) -> None:
    queue = runner.run(rabbit.queue())
    worker = cli.spawn("worker", "shop:app", "--allow-unsafe")
    bridge = cli.spawn("bridge", "rabbitmq", "--amqp", amqp, "--amqp-queue", queue, "--allow-unsafe")
    worker.until("concurrency")
    bridge.until("consuming")
    messages = ((f"m{n}", b'{"type":"greet","payload":{"name":"Ada"}}') for n in range(100))
    runner.run(rabbit.publish_many(queue, messages))

    async def completed(store: Store) -> int:
        return (await store.views.queue("default")).counts[JobState.COMPLETED]

    until_sync(lambda: cli.store(completed) == 100, 20, "100 jobs to be done")


def test_every_metric_is_in_the_table() -> None:
    tally = Tally()
    tally.waiting = 7
    text, _ = exposition(families(tally))
    assert {f.name for f in parse(text.decode())} == {*BRIDGE}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (
            ("--amqp", "amqp://guest:topsecret@127.0.0.1:{port}/", "--amqp-queue", "q"),
            "refuses the user or its password",
        ),
        (("--amqp", "redis://:topsecret@127.0.0.1/", "--amqp-queue", "q"), "Expected an AMQP URL such as amqp://"),
        (("--amqp-queue", "q", "--prefetch", "0"), "Expected prefetch to be from 1 to 65,535, got 0."),
        (("--amqp-queue", "q", "--queue", "a b"), "is not a queue name"),
        (("--amqp-queue", "q", "--metrics-addr", "nowhere"), "Expected the metrics address to be HOST:PORT"),
    ],
)
def test_mistakes_are_said_in_one_line(amqp: str, cli: Cli, args: tuple[str, ...], says: str) -> None:
    port = amqp.rpartition(":")[2].strip("/")
    said = cli.error("bridge", "rabbitmq", *(arg.replace("{port}", port) for arg in args), "--allow-unsafe")
    assert says in said
    assert "topsecret" not in said


def test_what_is_missing_or_not_known_is_a_mistake_of_usage(cli: Cli) -> None:
    assert "--amqp-queue" in cli.error("bridge", "rabbitmq", code=2)
    assert "No such command" in cli.error("bridge", "rabbit", code=2)
    assert "rabbitmq" in cli.out("bridge", "--help")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['aiormq'] = None; sys.argv = ['nexq', 'bridge', 'rabbitmq', '--amqp-queue', 'q']\n"
        "from nexq.cli.main import run; run()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert done.stderr.strip() == "Error: RabbitMQ needs one more package: pip install 'nexq[rabbitmq]'"


def test_it_says_what_it_waits_for_in_json_lines_too(cli: Cli) -> None:
    where = ("--amqp", "amqp://127.0.0.1:1/", "--amqp-queue", "q", "--allow-unsafe", "--log-format", "json")
    process = cli.spawn("bridge", "rabbitmq", *where)
    process.until("Trying again.")
    process.signal(signal.SIGINT)
    lines = [json.loads(line) for line in process.end(0).splitlines()]
    assert {line["logger"].split(".")[0] for line in lines} == {"nexq"}
    assert any("Connect call failed" in line["message"] for line in lines)
