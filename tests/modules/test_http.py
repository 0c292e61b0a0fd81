"""`http:request` against real servers on loopback."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from email.utils import formatdate
from typing import Any

import pytest

from nexq import JobState, Nexq
from nexq.errors import InvalidPayload
from nexq.modules.checks import after_s
from nexq.modules.http_client import Caller
from nexq.outbound import Guard
from nexq.outbound.guard import Names
from tests.modules.conftest import Request, outcome, quick, site
from tests.worker.work import ended, in_state

TYPE = "http:request"


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_HTTP_ALLOW", "127.0.0.1")


async def test_a_request_and_its_answer(app: Nexq) -> None:
    async with site(lambda r: (201, {"content-type": "application/json", "x-a": "1"}, b'{"n": [1, 2]}')) as there:
        payload = {"method": "PUT", "url": there.url("/a?b=c"), "headers": {"X-Token": "t"}, "json": {"hello": [None]}}
        job = await outcome(app, TYPE, payload)
        assert job.state is JobState.COMPLETED
        result = json.loads(job.result or b"")
        assert (result["status"], result["json"], result["truncated"]) == (201, {"n": [1, 2]}, False)
        assert result["headers"]["x-a"] == "1"
        got = there.got[0]
        assert (got.method, got.path, json.loads(got.body)) == ("PUT", "/a?b=c", {"hello": [None]})
        assert got.headers["x-token"] == "t"
        assert got.headers["content-type"] == "application/json"
        assert got.headers["host"] == f"127.0.0.1:{there.port}"
        assert got.headers["idempotency-key"] == job.id
        text = await outcome(app, TYPE, {"method": "POST", "url": there.url(), "body": "plain", "expect": 201})
        assert text.state is JobState.COMPLETED
        assert there.got[1].body == b"plain"
        own = {"url": there.url(), "headers": {"Idempotency-Key": "mine"}, "expect": ["2xx", 404]}
        await outcome(app, TYPE, own)
        assert there.got[2].headers["idempotency-key"] == "mine"


async def test_a_string_is_the_url(app: Nexq) -> None:
    async with site() as there:
        assert (await outcome(app, TYPE, there.url("/x"))).state is JobState.COMPLETED
        assert there.got[0].path == "/x"


@pytest.mark.parametrize(
    ("status", "kind"), [(500, "retry"), (503, "retry"), (429, "retry"), (400, "bury"), (404, "bury"), (501, "bury")]
)
async def test_what_may_be_other_later_is_tried_again(app: Nexq, status: int, kind: str) -> None:
    answers = [(status, {}, b"not now"), (200, {}, b"done")]
    async with site(lambda r: answers.pop(0)) as there, quick(app, TYPE):
        job = await outcome(app, TYPE, there.url(), max_attempts=3)
        first = job.attempts[0]
        assert first.outcome == kind
        assert first.error["type"] == "HttpFailed"
        assert first.error["message"] == f"The answer was {status}, expected 2xx. It said: not now"
        assert first.error["traceback"] == ""
        assert job.state is (JobState.COMPLETED if kind == "retry" else JobState.DEAD)


async def test_retry_after_is_heeded(app: Nexq) -> None:
    async with site(lambda r: (429, {"retry-after": "100"}, b"")) as there, quick(app, TYPE), app.worker():
        job = await app.enqueue(TYPE, there.url())
        record = await in_state(job, JobState.RETRYING)
        assert 95_000 < record.score_ms - record.attempts[0].ended_ms < 101_000


def test_retry_after_in_its_forms() -> None:
    assert after_s("7") == 7
    assert 50 < after_s(formatdate(time.time() + 60, usegmt=True)) <= 60
    assert after_s("999999999") == 86_400
    for text in (None, "", "-3", "soon", "1e9", "²", formatdate(1)):
        assert after_s(text) == 0


BAD = {
    "credentials": ({"url": "http://user:secret@example.com/"}, "/url", "no user name and no password"),
    "another scheme": ({"url": "file:///etc/passwd"}, "/url", "begins with http:// or https://"),
    "gopher": ({"url": "gopher://example.com/"}, "/url", "begins with http"),
    "no host": ({"url": "http:///x"}, "/url", "host name"),
    "a space": ({"url": "http://example.com/a b"}, "/url", "no spaces"),
    "a number": ({"url": "http://2130706433/"}, "/url", "plain form"),
    "a line break": ({"url": "http://example.com/", "headers": {"a": "b\r\nc: d"}}, "/headers/a", "line breaks"),
    "a header's name": ({"url": "http://example.com/", "headers": {"a b": "c"}}, "/headers", "letters, digits"),
    "its framing": ({"url": "http://example.com/", "headers": {"Content-Length": "1"}}, "/headers", "by the client"),
    "a method": ({"url": "http://example.com/", "method": "CONNECT"}, "/method", "GET"),
    "a status": ({"url": "http://example.com/", "expect": "9xx"}, "/expect", "2xx"),
    "a timeout": ({"url": "http://example.com/", "timeout": 0}, "/timeout", "greater than 0"),
    "unknown fields": ({"url": "http://example.com/", "verfy": False, "proxy": "x"}, "/verfy", "/proxy"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_payload_is_refused_with_its_place(app: Nexq, name: str) -> None:
    payload, pointer, said = BAD[name]
    with pytest.raises(InvalidPayload) as refused:
        await app.enqueue(TYPE, payload)
    assert pointer in str(refused.value) and said in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_json_and_body_together_are_buried(app: Nexq) -> None:
    job = await outcome(app, TYPE, {"url": "http://127.0.0.1/", "json": None, "body": "x"}, max_attempts=5)
    assert (job.state, len(job.attempts)) == (JobState.DEAD, 1)
    assert "either json or body" in job.last_error


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/",
        "http://localhost/",
        "http://[::ffff:127.0.0.1]/",
    ],
)
async def test_private_addresses_are_buried_and_never_called(
    app: Nexq, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NEXQ_HTTP_ALLOW")
    job = await outcome(app, TYPE, url, max_attempts=5)
    assert (job.state, len(job.attempts)) == (JobState.DEAD, 1)
    assert "public address" in job.last_error and "NEXQ_HTTP_ALLOW" in job.last_error


async def test_a_canary_sees_nobody_who_may_not_call(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NEXQ_HTTP_ALLOW")
    async with site() as canary:
        assert (await outcome(app, TYPE, canary.url())).state is JobState.DEAD
        assert canary.got == []
        monkeypatch.setenv("NEXQ_HTTP_ALLOW_PRIVATE", "1")
        assert (await outcome(app, TYPE, canary.url())).state is JobState.COMPLETED


async def test_each_redirect_is_looked_at_anew(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as inner, site(lambda r: (302, {"location": inner.url("/secret")}, b"")) as outer:
        monkeypatch.setenv("NEXQ_HTTP_ALLOW", f"127.0.0.1:{outer.port}")
        job = await outcome(app, TYPE, outer.url(), max_attempts=5)
        assert (job.state, len(job.attempts)) == (JobState.DEAD, 1)
        assert inner.got == []
        monkeypatch.setenv("NEXQ_HTTP_ALLOW", "127.0.0.1")
        payload = {"url": outer.url(), "headers": {"Authorization": "Bearer s", "Accept": "text/plain"}}
        assert (await outcome(app, TYPE, payload)).state is JobState.COMPLETED
        # Another origin: secrets stay here.
        assert "authorization" not in inner.got[0].headers
        assert inner.got[0].headers["accept"] == "text/plain"


@pytest.mark.parametrize(
    ("status", "method", "then", "body"),
    [(302, "POST", "GET", b""), (303, "PUT", "GET", b""), (307, "POST", "POST", b"x"), (308, "PUT", "PUT", b"x")],
)
async def test_redirects_keep_or_change_the_method(app: Nexq, status: int, method: str, then: str, body: bytes) -> None:
    def respond(request: Request) -> Any:
        return (200, {}, b"") if request.path == "/b" else (status, {"location": "/b"}, b"moved")

    async with site(respond) as there:
        job = await outcome(app, TYPE, {"url": there.url("/a"), "method": method, "body": "x"})
        assert job.state is JobState.COMPLETED
        assert (there.got[1].method, there.got[1].path, there.got[1].body) == (then, "/b", body)


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "http://a@127.0.0.1/", "http://[::1/", "//"])
async def test_a_redirect_that_leads_nowhere_is_buried(app: Nexq, location: str) -> None:
    async with site(lambda r: (302, {"location": location}, b"")) as there:
        job = await outcome(app, TYPE, there.url(), max_attempts=5)
        assert (job.state, len(job.attempts)) == (JobState.DEAD, 1)


async def test_a_wanted_redirect_is_an_answer_and_an_endless_one_an_error(app: Nexq) -> None:
    async with site(lambda r: (302, {"location": "/"}, b"")) as there:
        wanted = await outcome(app, TYPE, {"url": there.url(), "expect": [302]})
        assert wanted.state is JobState.COMPLETED and len(there.got) == 1
        job = await outcome(app, TYPE, there.url(), max_attempts=5)
        assert job.last_error == "HttpFailed: More than 5 redirects."
        assert len(job.attempts) == 1


async def test_a_server_that_never_answers_frees_the_slot(app: Nexq) -> None:
    async with site(lambda r: None) as there:
        job = await outcome(app, TYPE, {"url": there.url(), "timeout": 0.3})
        assert job.last_error == "HttpFailed: No whole answer within 0.3 s."


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH\r\n\r\n", b"", b"HTTP/1.1 200 OK\r\nx" + b"y" * 200_000])
async def test_what_is_not_http_is_an_error(app: Nexq, raw: bytes) -> None:
    async with site(raw=raw) as there:
        job = await outcome(app, TYPE, there.url())
        assert job.state is JobState.DEAD
        assert "RemoteProtocolError" in job.last_error or "ReadError" in job.last_error


async def test_an_endless_answer_is_cut(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_HTTP_KEEP", "1000")
    async with site(endless=True) as there:
        result = json.loads((await outcome(app, TYPE, there.url())).result or b"")
        assert (result["body"], result["truncated"]) == ("x" * 1000, True)


async def test_bodies_as_json_text_or_base64() -> None:
    caller = Caller(Guard("*"), keep=1000)

    async def body(content: bytes, headers: dict[str, str]) -> dict[str, Any]:
        async with site(lambda r: (200, headers, content)) as there:
            answer = await caller.call("GET", there.url(), {}, b"", lambda status: True)
            return {k: answer[k] for k in ("json", "body", "body_base64", "truncated") if k in answer}

    assert await body(b"[1]", {"content-type": "application/hal+json; charset=utf-8"}) == {
        "json": [1],
        "truncated": False,
    }
    assert await body(b"[1", {"content-type": "application/json"}) == {"body": "[1", "truncated": False}
    assert await body("ä".encode("latin-1"), {"content-type": "text/plain; charset=latin-1"}) == {
        "body": "ä",
        "truncated": False,
    }
    assert await body(b"\xff\xfe", {}) == {"body_base64": "//4=", "truncated": False}
    assert await body(b"x", {"content-type": "text/plain; charset=nonsense"}) == {"body": "x", "truncated": False}
    # A bomb: a thousand times as much as it says.
    assert await body(gzip.compress(b"a" * 900_000)[:1000], {"content-encoding": "gzip"}) == {
        "body": "a" * 1000,
        "truncated": True,
    }
    assert await body(gzip.compress(b"a" * 10), {"content-encoding": "gzip"}) == {"body": "a" * 10, "truncated": False}
    await caller.aclose()


async def test_connections_are_kept_and_cookies_are_not(app: Nexq) -> None:
    async with site(lambda r: (200, {"set-cookie": "a=b"}, b"ok")) as there, app.worker(concurrency=1):
        for _ in range(3):
            await ended(await app.enqueue(TYPE, there.url()))
        assert len({request.peer for request in there.got}) == 1
        assert not any("cookie" in request.headers for request in there.got)


async def test_proxies_of_the_environment_are_not_used(app: Nexq, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with site() as there:
        assert (await outcome(app, TYPE, there.url())).state is JobState.COMPLETED


async def test_a_name_is_resolved_once_for_those_who_ask_together() -> None:
    asked = 0

    async def resolve(host: str, port: int) -> list[str]:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return ["127.0.0.1"]

    async with site() as there:
        guard = Guard("here.test", resolve=Names(resolve))
        url = f"http://here.test:{there.port}/"
        caller = Caller(guard, keep=10)
        calls = [caller.call("GET", url, {}, b"", lambda status: True) for _ in range(5)]
        answers = await asyncio.gather(*calls)
        await caller.aclose()
        assert [a["status"] for a in answers] == [200] * 5
        assert asked == 1
        # The name is what the server is told, the address where the connection goes.
        assert there.got[0].headers["host"] == f"here.test:{there.port}"


async def test_a_cancel_ends_a_request(app: Nexq) -> None:
    async with site(lambda r: None) as there, app.worker():
        job = await app.enqueue(TYPE, there.url())
        await in_state(job, JobState.RUNNING)
        await job.cancel()
        assert (await ended(job)).state is JobState.CANCELLED
