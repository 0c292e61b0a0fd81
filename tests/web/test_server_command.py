"""`nexq server` and `nexq token` as processes: what starts and what does not, signals, a store that goes and comes."""

from __future__ import annotations

import json
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from nexq.app import Nexq
from tests.support.servers import AOF, Server, valkey_binary
from tests.support.waiting import until, until_sync
from tests.web.support import Process


@pytest.fixture
def empty(valkey: Server) -> str:
    """The URL of an empty server."""
    valkey.wire.call("FLUSHALL")
    return valkey.url


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that a test may kill."""
    server = Server(valkey_binary(), AOF).start()
    yield server
    server.stop()


def token(process: Process, name: str = "ops", *args: str) -> str:
    """Make a token by the command line; its text."""
    done = process.nexq("token", "create", name, "--scope", "admin", *args)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("nexq_") and len(done.stdout.strip()) == 48
    return done.stdout.strip()


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_it_does_not_listen_beyond_this_machine_without_authentication(tmp_path: Path, empty: str, host: str) -> None:
    process = Process(tmp_path, empty, host=host).start()
    until_sync(lambda: process.ended() is not None, 15.0, "the refusal")
    assert process.ended() == 1
    assert f"Refusing to listen on {host}" in process.text()
    assert "nexq token create" in process.text() and "--no-auth" in process.text()
    assert "Traceback" not in process.text()


def test_up_does_not_either(tmp_path: Path, empty: str) -> None:
    done = Process(tmp_path, empty).nexq("up", "--host", "0.0.0.0", "--port", "0")
    assert done.returncode == 1 and "Refusing to listen on 0.0.0.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_does_when_told_to_serve_everybody(tmp_path: Path, empty: str) -> None:
    with Process(tmp_path, empty, "--no-auth", host="0.0.0.0") as process:
        assert process.client.get("/api/jobs", headers={"Host": "nexq.example"}).status_code == 200
        assert "without authentication" in process.text()


def test_it_does_when_there_is_a_token(tmp_path: Path, empty: str) -> None:
    text = token(Process(tmp_path, empty))
    with Process(tmp_path, empty, host="0.0.0.0") as process:
        assert process.client.get("/api/jobs").status_code == 401
        assert process.client.get("/api/jobs", headers=bearer(text)).status_code == 200


def test_authentication_by_the_environment(tmp_path: Path, empty: str) -> None:
    with Process(tmp_path, empty, host="0.0.0.0", env={"NEXQ_AUTH": "1"}) as process:
        assert process.client.get("/api/jobs").status_code == 401
        assert "There is no token yet" in process.text()
        text = token(process)
        assert process.client.get("/api/jobs", headers=bearer(text)).status_code == 200


def test_the_first_token_closes_an_open_server(tmp_path: Path, empty: str) -> None:
    with Process(tmp_path, empty) as process:
        until_sync(lambda: process.client.get("/api/jobs").status_code == 200, 5.0, "the server to be open")
        assert process.client.get("/api/jobs", headers={"Host": "evil.example"}).status_code == 403
        text = token(process)
        until_sync(lambda: process.client.get("/api/jobs").status_code == 401, 5.0, "the server to be closed")
        assert process.client.get("/api/jobs", headers=bearer(text)).status_code == 200
        assert process.nexq("token", "revoke", "ops").returncode == 0
        until_sync(
            lambda: process.client.get("/api/jobs", headers=bearer(text)).status_code == 401, 5.0, "the revocation"
        )


def test_tokens_by_the_command_line(tmp_path: Path, empty: str) -> None:
    process = Process(tmp_path, empty)
    assert process.nexq("token", "ls").stdout == "No tokens.\n"
    text = token(process, "ops", "--queue", "mail*", "--queue", "sms", "--expires", "90d")
    listed = json.loads(process.nexq("token", "ls", "--json").stdout)["tokens"]
    assert [(t["name"], t["scope"], t["queues"]) for t in listed] == [("ops", "admin", ["mail*", "sms"])]
    assert listed[0]["expires_ms"] - listed[0]["created_ms"] == 90 * 86_400_000
    assert text not in process.nexq("token", "ls").stdout
    again = process.nexq("token", "create", "ops")
    assert again.returncode == 1 and "already" in again.stderr
    assert process.nexq("token", "create", "x", "--expires", "soon").returncode == 2
    assert process.nexq("token", "create", "x", "--scope", "root").returncode == 2
    assert process.nexq("token", "revoke", listed[0]["id"]).stdout == f"Revoked {listed[0]['id']} (ops).\n"
    gone = process.nexq("token", "revoke", "ops")
    assert gone.returncode == 1 and "nexq token ls" in gone.stderr


def test_a_port_that_is_taken(tmp_path: Path, empty: str) -> None:
    process = Process(tmp_path, empty)
    with socket.socket() as other:
        other.bind(("127.0.0.1", process.port))
        other.listen()
        process.start()
        until_sync(lambda: process.ended() is not None, 15.0, "the refusal")
    assert process.ended() == 1
    assert f"Port {process.port} on 127.0.0.1 is taken by another program" in process.text()
    assert "Traceback" not in process.text()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_end(tmp_path: Path, valkey: Server, empty: str, how: signal.Signals) -> None:
    found: list[httpx.Response] = []
    with Process(tmp_path, empty, "--no-auth") as process:
        job = process.client.post("/api/jobs", json={"type": "echo"}).json()["id"]

        def wait() -> None:
            url = f"{process.client.base_url}/api/jobs/{job}"
            found.append(httpx.get(url, headers={"Prefer": "wait=1"}, timeout=20.0, trust_env=False))

        thread = threading.Thread(target=wait)
        thread.start()
        until_sync(lambda: valkey.wire.call("HLEN", "nexq:{default}:waiters"), 5.0, "the request to wait")
        code, took = process.stop(how)
        thread.join(10.0)
        assert (code, found[0].status_code, found[0].json()["state"]) == (0, 200, "ready")
        assert 0.3 < took < 5.0
        assert "Traceback" not in process.text()


def test_a_store_that_goes_and_comes_back(tmp_path: Path, own: Server) -> None:
    own.wire.call("FLUSHALL")
    text = token(Process(tmp_path, own.url))
    with Process(tmp_path, own.url) as process:
        job = process.client.post("/api/jobs", json={"type": "echo"}, headers=bearer(text)).json()["id"]
        own.kill()
        calls: list[tuple[str, str, dict[str, str] | None]] = [
            ("GET", f"/api/jobs/{job}", None),
            ("POST", "/api/jobs", {"type": "echo"}),
            ("GET", "/api/queues", None),
        ]
        with ThreadPoolExecutor() as pool:
            asked = [pool.submit(process.client.request, m, p, json=b, headers=bearer(text)) for m, p, b in calls]
        for answer in (call.result() for call in asked):
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.headers["content-type"] == "application/problem+json"
        until_sync(lambda: process.answers("/readyz", 503), 10.0, "/readyz to notice")
        assert process.client.get("/readyz").headers["retry-after"] == "1"
        assert process.client.get("/livez").status_code == 200

        own.start()
        until_sync(lambda: process.answers("/readyz"), 10.0, "/readyz to recover")
        assert process.client.get(f"/api/jobs/{job}", headers=bearer(text)).json()["state"] == "ready"
        assert "Traceback" not in process.text()


def test_it_starts_before_its_store(tmp_path: Path) -> None:
    server = Server(valkey_binary(), tcp=True)
    process = Process(tmp_path, server.url).start()
    try:
        until_sync(lambda: process.answers("/livez"), 15.0, "/livez")
        assert process.answers("/readyz", 503)
        # Whether there are tokens is not known yet, so nobody is let in; nor told that a token would help.
        assert process.client.get("/api/jobs").status_code == 503
        server.start()
        until_sync(lambda: process.answers("/readyz"), 10.0, "/readyz")
        until_sync(lambda: process.answers("/api/jobs"), 10.0, "the server to be open")
    finally:
        process.__exit__(None, None, None)
        server.stop()


async def test_it_looks_after_queues_that_no_worker_serves(tmp_path: Path, empty: str) -> None:
    app = Nexq(empty)
    with Process(tmp_path, empty):
        job = await app.enqueue("echo", None, delay=0.2)
        store = await app.store()

        async def is_ready() -> bool:
            return (await store.views.get("default", job.id)).state.value == "ready"

        await until(is_ready, 10.0, "the job to be promoted")
    await app.aclose()
