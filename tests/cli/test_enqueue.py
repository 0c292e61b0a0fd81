"""`nexq enqueue`: one job, many jobs, and everything that cannot become one."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.cli.conftest import Cli
from tests.support.servers import free_port


def test_a_job_by_name(cli: Cli) -> None:
    done = cli.run("enqueue", "send_email", '{"to": "a@b.c"}', "--delay", "60", "--priority", "high", "--queue", "mail")

    shown = cli.json("jobs", "show", done.stdout.strip())
    assert (shown["type"], shown["payload"], shown["queue"]) == ("send_email", {"to": "a@b.c"}, "mail")
    assert (shown["priority"], shown["state"]) == (9, "scheduled")
    assert "Warning: No handler is known for type 'send_email'" in done.stderr
    assert "due in 60 s" in done.stderr


def test_every_option(cli: Cli) -> None:
    args = ["--id", "mine", "--unique", "u 1", "--max-attempts", "2", "--timeout", "1.5", "--at", "2099-01-01T00:00Z"]
    args += ["--tag", "eu", "--tag", "invoice:17"]
    assert cli.json("enqueue", "t", *args) == {"id": "mine", "queue": "default", "type": "t", "duplicate": False}
    assert cli.json("enqueue", "t", *args)["duplicate"] is True
    assert cli.json("enqueue", "t", "--unique", "u 1")["id"] == "mine"

    shown = cli.json("jobs", "show", "mine")
    assert (shown["options"], shown["tags"]) == ({"max_attempts": 2, "timeout_s": 1.5}, ["eu", "invoice:17"])
    assert (shown["unique"], shown["due_ms"]) == ("u 1", 4070908800000.0)


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ("hello world", "hello world"),
        ('"quoted"', "quoted"),
        ("42", 42),
        ("2024-01-01", "2024-01-01"),
        ("[1, null]", [1, None]),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ("", ""),
    ],
)
def test_a_payload_is_json_or_a_plain_string(cli: Cli, text: str, payload: object) -> None:
    id = cli.out("enqueue", "t", text).strip()

    assert cli.json("jobs", "show", id)["payload"] == payload


def test_no_payload_is_no_arguments_and_a_dash_is_stdin(cli: Cli) -> None:
    assert cli.json("jobs", "show", cli.out("enqueue", "t").strip())["payload"] == {}
    assert cli.json("jobs", "show", cli.out("enqueue", "t", "-", stdin='{"a": 1}').strip())["payload"] == {"a": 1}


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["t", '{"a": 1,}'], "The payload is not JSON: Expecting property name enclosed in double quotes at line 1"),
        (["t", "[1, 2"], "at line 1, column 6"),
        (["t", '"open'], "The payload is not JSON: Unterminated string"),
        (["t", "{'a': 1}"], "On a shell, put single quotes around it"),
        (["t", '{"a": NaN}'], "it contains NaN, which JSON does not have"),
        (["t", "NaN"], "NaN is not JSON. If the text is meant, quote it"),
        (["t", "[" * 100_000], "nested too deeply"),
        (["t", '"' + "x" * 300_000 + '"'], "the limit is 262,144"),
        (["t", '"\\ud800"'], "The payload is not JSON"),
        (["t", "--delay", "-1"], "Expected delay to be from 0 to"),
        (["t", "--delay", "nan"], "Expected delay to be from 0 to"),
        (["t", "--delay", "1", "--at", "2099-01-01T00:00Z"], "Give either delay or run_at, not both."),
        (["t", "--at", "tomorrow"], "Expected a time in ISO 8601"),
        (["t", "--at", "2099-01-01T00:00"], "has no time zone: append Z"),
        (["t", "--priority", "10"], "Expected a priority from 0 to 9, or low, normal, high; got 10."),
        (["t", "--priority", "urgent"], "got 'urgent'"),
        (["t", "--queue", "a b"], "'a b' is not a queue name"),
        (["t", "--id", "a:b"], "'a:b' is not a job id: it contains ':'"),
        (["t", "--max-attempts", "0"], "Expected max_attempts to be a whole number from 1"),
        (["t", "--timeout", "-2"], "Expected timeout to be from 0"),
        (["a{b}"], "'a{b}' is not a handler name"),
        ([""], "A handler name has 1 to 200 characters"),
        (["t", "--strict"], "No handler is known for type 't'."),
        (["t", "--url", "http://x"], "Unknown scheme 'http' in the URL. Known: redis://"),
        (["t", "--url", "localhost"], "'localhost' is not a URL: expected <scheme>://"),
        (["t", "--namespace", "a:b"], "'a:b' is not a namespace: it contains ':'"),
    ],
)
def test_what_cannot_become_a_job(cli: Cli, args: list[str], said: str) -> None:
    text = cli.error("enqueue", *args)

    assert said in text
    assert len(text.splitlines()) <= 3


@pytest.mark.parametrize("args", [["t", "--delay", "soon"], ["t", "--nonsense"], [], ["t", "a", "b"]])
def test_a_command_line_that_cannot_be_understood(cli: Cli, args: list[str]) -> None:
    assert "Usage: nexq enqueue" in cli.error("enqueue", *args, code=2)


def test_a_server_that_is_down(cli: Cli) -> None:
    port = free_port()
    began = time.monotonic()
    said = cli.error("enqueue", "t", "--url", f"redis://me:secret@127.0.0.1:{port}/0")

    assert time.monotonic() - began < 6
    assert f"redis://me:***@127.0.0.1:{port}/0: cannot connect" in said
    assert "secret" not in said
    assert "--url (NEXQ_URL) says where to look" in said


def test_waiting_for_the_result(cli: Cli) -> None:
    worker = cli.spawn("worker", "shop:app")
    assert cli.out("enqueue", "greet", '{"name": "Ada"}', "--wait") == '"Hello, Ada!"\n'
    shown = cli.json("enqueue", "greet", "--wait", "20")
    assert (shown["state"], shown["result"]) == ("completed", "Hello, world!")

    failed = cli.run("enqueue", "fail", "my reason", "--wait=20", code=1).stderr
    assert "raise RuntimeError(reason)\nRuntimeError: my reason\nError: Job " in failed

    assert "is still running after 0.2 s; it goes on." in cli.error("enqueue", "hold", "--wait", "0.2")
    worker.signal(signal.SIGTERM)
    worker.until("stopping")
    worker.signal(signal.SIGTERM)
    worker.end(0)


def test_the_apps_handlers_check_the_payload(cli: Cli) -> None:
    done = cli.run("enqueue", "mail", '{"to": "a", "n": "x"}', "--app", "shop:app", code=1)
    assert done.stderr.startswith("Error: The payload does not fit handler 'mail': /n: Input should be a valid integer")

    done = cli.run("enqueue", "mial", env={"NEXQ_APP": "shop:app"})
    assert "Did you mean 'mail'?" in done.stderr


def test_many_jobs_from_stdin(cli: Cli) -> None:
    lines = [{"type": "t", "payload": {"n": n}, "priority": n % 10, "queue": "bulk"} for n in range(2500)]
    lines.append({"type": "t", "schedule_in": 60, "id": "late", "unique_key": "u", "queue": "bulk"})
    text = "\n\n".join(map(json.dumps, lines))

    told = cli.json("enqueue", "-", stdin=text)
    assert (told["enqueued"], told["duplicates"]) == (2501, 0)
    counts = cli.json("queues", "show", "bulk")["counts"]
    assert (counts["ready"], counts["scheduled"]) == (2500, 1)
    assert cli.out("enqueue", "-", stdin=json.dumps(lines[-1])).startswith("1 jobs, 1 of them were there already")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "Line 2: The payload is not JSON"),
        ("[]", "Line 2: Expected an object such as"),
        ("{}", 'Line 2: There is no "type".'),
        ('{"type": 1}', 'Line 2: Expected "type" to be a string.'),
        ('{"type": "t", "prio": 1}', "Line 2: Unknown key 'prio'. Known: type, payload, queue"),
        ('{"type": "t", "priority": 10}', "Line 2: Expected a priority from 0 to 9"),
        ('{"type": "t", "delay": -1}', "Line 2: Expected delay to be from 0"),
        ('{"type": "t", "delay": "1"}', "Line 2: Expected delay to be a number"),
        ('{"type": "t", "at": 5}', "Line 2: Expected a time in ISO 8601"),
        ('{"type": "t", "queue": 5}', "Line 2: 5 is not a queue name"),
    ],
)
def test_a_bad_line_is_named_and_nothing_of_its_chunk_is_in(cli: Cli, line: str, said: str) -> None:
    text = cli.error("enqueue", "-", stdin='{"type": "t"}\n' + line)

    assert said in text
    assert "Jobs of the lines before that are in: 0." in text
