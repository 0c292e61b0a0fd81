"""Canaries: secrets that are given to nexq appear in no log line, metric, repr, or text of an error.

What nexq was told in confidence: the URL's password, tokens, payloads, results. The message of a handler's own
exception is logged by design: keep secrets out of it.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from nexq import Context, Nexq, Retry
from nexq.backends import connect
from nexq.cli.logs import ConsoleFormatter, JsonFormatter
from nexq.errors import NexqError
from nexq.job import Spec
from nexq.metrics.listener import Listener
from nexq.metrics.worker import families
from nexq.store import Entry
from nexq.web.auth import Guard
from nexq.worker.settings import WorkerSettings
from tests.support.servers import IN_MEMORY, Server, free_port, valkey_binary
from tests.web.support import Served
from tests.worker.work import ended

PASSWORD = "canary-url-password-7f3a"
PAYLOAD = "canary-payload-1b9c"
RESULT = "canary-result-55d0"
MESSAGE = "canary-exception-a2e4"


@pytest.fixture
def said() -> Iterator[dict[str, io.StringIO]]:
    """Everything that any logger says, at every level, as both formatters write it."""
    root = logging.getLogger()
    streams: dict[str, io.StringIO] = {}
    handlers = []
    for name, formatter in (("json", JsonFormatter()), ("console", ConsoleFormatter())):
        handler = logging.StreamHandler(streams.setdefault(name, io.StringIO()))
        handler.setFormatter(formatter)
        handler.setLevel(logging.DEBUG)
        root.addHandler(handler)
        handlers.append(handler)
    # Loggers of the libraries below may say what they like at debug level; nexq's own are asked for everything.
    before = root.level, logging.getLogger("nexq").level
    root.setLevel(logging.INFO)
    logging.getLogger("nexq").setLevel(logging.DEBUG)
    yield streams
    root.setLevel(before[0])
    logging.getLogger("nexq").setLevel(before[1])
    for handler in handlers:
        root.removeHandler(handler)


@pytest.fixture
def locked() -> Iterator[tuple[Server, str]]:
    """A server with a password, and its URL with it."""
    server = Server(valkey_binary(), IN_MEMORY, tcp=True).start()
    server.wire.call("CONFIG", "SET", "requirepass", PASSWORD)
    port = server.url.rpartition(":")[2].partition("/")[0]
    yield server, f"valkey://:{PASSWORD}@127.0.0.1:{port}/0"
    server.stop()


def make(url: str) -> Nexq:
    app = Nexq(url, patience=1.0)

    @app.handler(retry=Retry(max_attempts=1))
    async def careless(secret: str, ctx: Context) -> str:
        ctx.log.info("at work")
        raise ValueError(MESSAGE)

    @app.handler
    async def well(secret: str) -> str:
        return RESULT

    return app


async def test_a_worker_tells_no_secret(locked: tuple[Server, str], said: dict[str, io.StringIO]) -> None:
    server, url = locked
    app = make(url)
    texts: list[str] = []
    settings = WorkerSettings(concurrency=5, metrics=True, id="worker-one", grace_s=1.0)
    with Listener("127.0.0.1", 0, "1") as listener:
        async with app.worker(settings=settings) as worker:
            listener.watch(worker, lambda: families(worker))
            failing = await app.enqueue("careless", {"secret": PAYLOAD})
            done = await app.enqueue("well", {"secret": PAYLOAD})
            await ended(failing)
            await ended(done)
            with pytest.raises(NexqError) as wrong:
                await app.enqueue("well", {"sekret": PAYLOAD})
            texts += [str(wrong.value), repr(wrong.value)]
            # A job whose payload does not fit, enqueued by somebody who asks nobody.
            spec = Spec("well", b'{"sekret":"%b"}' % PAYLOAD.encode()).pack()
            await (await app.store()).moves.enqueue("default", [Entry("unfit", spec)])
            await ended(app.job("unfit"))
            texts += [listener.answer("/metrics", "")[2].decode()]
            texts += map(repr, (app, worker, worker.settings, failing, app.link().store, app.link().store.backend))
            server.kill()
            with pytest.raises(NexqError) as gone:
                await app.enqueue("well", {"secret": PAYLOAD})
            texts += [str(gone.value), repr(gone.value)]
            server.start().wire.call("CONFIG", "SET", "requirepass", PASSWORD)
        await app.aclose()

    lines = said["json"].getvalue() + said["console"].getvalue()
    for canary in (PASSWORD, PAYLOAD, RESULT):
        assert canary not in lines
        assert not [t for t in texts if canary in t]
    # By design: the handler's own words, once at the end of its run.
    assert MESSAGE in lines
    assert MESSAGE not in texts[3]


async def test_the_fields_of_a_jobs_lines(locked: tuple[Server, str], said: dict[str, io.StringIO]) -> None:
    app = make(locked[1])
    async with app.worker(settings=WorkerSettings(concurrency=5, id="worker-one")):
        job = await app.enqueue("careless", {"secret": PAYLOAD})
        await ended(job)
    await app.aclose()
    records = [orjson.loads(line) for line in said["json"].getvalue().splitlines()]
    about = [r for r in records if r.get("job_id") == job.id]
    assert {r["message"].split(":")[0] for r in about} == {"at work", f"job {job.id}"}
    for record in about:
        fields = {k: record[k] for k in ("job_id", "job_type", "queue", "attempt", "worker")}
        assert fields == {
            "job_id": job.id,
            "job_type": "careless",
            "queue": "default",
            "attempt": 1,
            "worker": "worker-one",
        }


@pytest.mark.parametrize("at", ["nobody", "wrong password"])
async def test_an_url_that_does_not_work(at: str, locked: tuple[Server, str], said: dict[str, io.StringIO]) -> None:
    port = free_port() if at == "nobody" else locked[1].rpartition(":")[2].partition("/")[0]
    wrong = f"canary-wrong-{PASSWORD}"
    backend = connect(f"valkey://user:{wrong}@127.0.0.1:{port}/0", patience_s=0.3)
    with pytest.raises(NexqError) as refused:
        await backend.check(allow_unsafe=True)
    await backend.aclose()
    shown = f"{refused.value} {refused.value!r} {backend!r} {backend.url} {said['json'].getvalue()}"
    assert wrong not in shown and PASSWORD not in shown


def test_a_server_tells_no_token(valkey: Server, said: dict[str, io.StringIO]) -> None:
    app = make(valkey.url)
    with Served(app, gate=Guard(app, auth=True)) as served:

        async def token() -> tuple[Any, str]:
            return await (await app.store()).books.create_token("canary", "admin")

        made, text = served.call(token)
        head = {"Authorization": f"Bearer {text}"}
        answers = [
            served.client.post("/api/jobs", json={"type": "well", "payload": {"secret": PAYLOAD}}, headers=head),
            served.client.post("/api/jobs", json={"type": "well", "payload": {"x": PAYLOAD}}, headers=head),
            served.client.get("/metrics", headers=head),
            served.client.get("/api/tokens", headers=head),
            served.client.get("/api/audit", headers=head),
            served.client.get("/api/queues", headers={"Authorization": f"Bearer {text}x"}),
            served.client.get("/api/queues", headers={"Authorization": f"Basic {text}"}),
        ]
    assert [a.status_code for a in answers] == [202, 422, 200, 200, 200, 401, 401]
    shown = "".join(a.text for a in answers) + repr(made) + said["json"].getvalue() + said["console"].getvalue()
    assert text not in shown
    assert text.removeprefix("nexq_") not in shown
    assert PAYLOAD not in answers[2].text + answers[4].text + said["json"].getvalue()
