"""Input made to break things: JSON horrors, awkward names, injections, and schemathesis over the description."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from nexq.web import call, claims
from nexq.web.rules import API
from nexq.web.table import Rule
from tests.support.proxy import FaultProxy
from tests.support.servers import Server
from tests.web.conftest import Served, make_app
from tests.web.support import ROOT, fill
from tests.web.test_submit import problem

pytestmark = pytest.mark.usefixtures("no_errors")
JSON = {"Content-Type": "application/json"}
#: Seconds for schemathesis.
BUDGET_S = 600 if os.environ.get("NEXQ_DEEP") else 12


def job(payload: bytes) -> bytes:
    return b'{"type": "echo", "payload": {"value": ' + payload + b"}}"


HORRORS = {
    "empty": b"",
    "blank": b"  \n ",
    "not json": b"type=echo",
    "cut": b'{"type": "echo"',
    "two values": b'{"type": "echo"} {}',
    "trailing comma": b'{"type": "echo",}',
    "single quotes": b"{'type': 'echo'}",
    "comment": b'{"type": "echo" /* x */}',
    "bom": b'\xef\xbb\xbf{"type": "echo"}',
    "utf-16": '{"type": "echo"}'.encode("utf-16"),
    "invalid utf-8": job(b'"\xff\xfe"'),
    "overlong utf-8": job(b'"\xc0\xaf"'),
    "surrogate in utf-8": job(b'"\xed\xa0\x80"'),
    "raw control": job(b'"a\nb"'),
    "raw nul": job(b'"a\x00b"'),
    "lone high surrogate": job(b'"\\ud800"'),
    "lone low surrogate": job(b'"\\udc00x"'),
    "reversed pair": job(b'"\\udc00\\ud800"'),
    "lone surrogate in a key": job(b'{"\\ud800": 1}'),
    "bad escape": job(b'"\\x41"'),
    "nan": job(b"NaN"),
    "infinity": job(b"Infinity"),
    "minus infinity": job(b"[-Infinity]"),
    "1e999": job(b"1e999"),
    "-1e999": job(b"[[-1e999]]"),
    "2**63": job(b"9223372036854775808"),
    "-2**63-1": job(b"-9223372036854775809"),
    "2**64": job(b'{"deep": [18446744073709551616]}'),
    "10,000 digits": job(b"1" * 10_000),
    "100,000 digits": job(b"9" * 100_000),
    "leading zero": job(b"01"),
    "plus": job(b"+1"),
    "hex": job(b"0x10"),
    "deep lists": job(b"[" * 100_000 + b"]" * 100_000),
    "deep lists cut": job(b"[" * 100_000),
    "deep objects": job(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "a list": b"[]",
    "null": b"null",
    "a string": b'"echo"',
    "a number": b"1",
    "wrong types everywhere": b'{"type": [], "payload": 1, "queue": {}, "priority": [], "id": 5, "timeout": "x"}',
    "unknown members": b'{"type": "echo", "__proto__": {}, "constructor": 1}',
}


@pytest.mark.parametrize("path", ["/api/jobs", "/task", "/api/jobs:batch", "/api/handlers/echo/jobs"])
@pytest.mark.parametrize("name", HORRORS)
def test_json_horrors(served: Served, name: str, path: str) -> None:
    body = HORRORS[name]
    if path == "/api/jobs:batch":
        body = b'{"jobs": [' + body + b"]}"
    if path == "/api/handlers/echo/jobs":
        body = (
            body.removeprefix(b'{"type": "echo", "payload": ').removesuffix(b"}") if b'"payload": {"' in body else body
        )
        if name in ("empty", "null", "a list", "a string", "a number") or b'"type"' in body:
            pytest.skip("fits the handler, or does not make sense here")
    answer = served.client.post(path, content=body, headers=JSON)
    if answer.status_code == 413:
        return
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] in ("application/problem+json", "application/json")
    assert "Traceback" not in answer.text and len(answer.content) < 20_000


@pytest.mark.parametrize(
    "payload",
    [
        b"9223372036854775807",
        b"-9223372036854775808",
        b"1e308",
        b'"\\ud83d\\ude00"',
        b'"\\u0000"',
        b'{"__proto__": {"x": 1}, "": null}',
        b"[" * 100 + b"]" * 100,
        b"1.7976931348623157e308",
        b'{"a": 1, "a": 2}',
        b"[" + b"1," * 50_000 + b"1]",
    ],
    ids=lambda payload: payload[:20].decode(),
)
def test_awkward_but_good_json_comes_back_as_it_went(working: Served, payload: bytes) -> None:
    answer = working.client.post("/api/jobs", content=job(payload), headers={**JSON, "Prefer": "wait=10"})
    assert answer.status_code == 200, answer.text
    import json

    assert answer.json()["result"] == json.loads(payload)


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        pytest.param(rule, name, id=f"{rule.path}?{name}")
        for rule in API
        for name, schema in rule.query.items()
        if "enum" in schema
    ],
)
def test_a_query_says_a_word_that_is_known(served: Served, rule: Rule, name: str) -> None:
    refused = problem(served.client.request(rule.method, fill(rule), params={name: "bogus"}), 400, "bad-query")
    assert f"Unknown {name} 'bogus'. Known: " in refused["detail"]


def test_a_body_over_the_limit(served: Served) -> None:
    answer = served.client.post("/api/jobs", content=job(b'"' + b"x" * 300_000 + b'"'), headers=JSON)
    assert problem(answer, 413, "body-too-large")["limit"] < 300_000
    answer = served.client.post("/api/jobs", content=job(b'"' + b"x" * 262_144 + b'"'), headers=JSON)
    assert problem(answer, 413, "payload-too-large")["limit"] == 262_144
    answer = served.client.post("/api/handlers/echo/jobs", content=b'"' + b"x" * 262_144 + b'"', headers=JSON)
    assert answer.status_code == 413


def test_a_body_without_a_length_is_refused_before_it_is_read_whole(served: Served) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 65_536
            yield b" " * 65_536

    # The server may hang up before the answer can be read: as good.
    with contextlib.suppress(httpx.WriteError):
        problem(served.client.post("/api/jobs", content=endless(), headers=JSON), 413, "body-too-large")
    assert sent < 64 * 1024 * 1024


# -- Names

RESP = "x\r\n*1\r\n$8\r\nFLUSHALL\r\n"
NAMES = ["", " ", "a b", "{", "}", "a}:{b", "{_}", "*", "a\nb", "a\r\nb", "a\x00b", RESP, "..", "x" * 70_000, "‮abc"]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_names_that_are_no_queues(served: Served, name: str) -> None:
    assert served.client.post("/api/jobs", json={"type": "echo", "queue": name}).status_code == 422
    assert served.client.post("/api/claim", json={"worker": "w", "queue": name}).status_code == 422
    assert served.client.post("/api/jobs:cancel", json={"state": "ready", "queue": name}).status_code == 422
    if name and len(name) < 60_000:
        quoted = httpx.QueryParams({"queue": name})
        assert served.client.get(f"/api/jobs?{quoted}").status_code == 422
        assert served.client.get(f"/api/jobs/x?{quoted}").status_code == 422
    if len(name) < 60_000 and name.strip(" .*"):
        path = str(httpx.QueryParams({"": name}))[1:].replace("+", "%20")
        assert served.client.get(f"/api/queues/{path}").status_code == 422
        assert served.client.post(f"/api/queues/{path}/pause").status_code == 422


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("..", "*")], ids=lambda name: ascii(name)[:20])
def test_names_that_are_no_ids(served: Served, name: str) -> None:
    for field in ({"id": name}, {"type": name + "\x00"}, {"unique_key": name + "\n"}):
        answer = served.client.post("/api/jobs", json={"type": "echo", **field})
        assert answer.status_code == 422, (field, answer.text)
    assert served.client.post("/api/claim", json={"worker": name}).status_code == 422
    assert served.client.post("/api/jobs:delete", json={"ids": [name]}).status_code in (200, 422)


def test_no_text_reaches_the_server_as_a_command(valkey: Server) -> None:
    texts = [RESP, "\r\nFLUSHALL\r\n", "$-1\r\n", "*0\r\n", "\n+OK\r\n", '"; return redis.call("FLUSHALL") --', "]]"]
    with FaultProxy(valkey.address) as proxy, Served(make_app(proxy.url)) as served:
        held = served.submit("echo", "still here")
        for text in texts:
            served.client.post("/api/jobs", json={"type": "echo", "payload": text})
            served.client.post("/api/jobs", json={"type": "echo", "unique_key": text, "id": text})
            served.client.post("/api/jobs", json={"type": "echo"}, headers={"Idempotency-Key": " ".join(text.split())})
            served.client.get("/api/jobs", params={"q": text, "type": text, "cursor": text})
            served.client.get(f"/api/jobs/{httpx.QueryParams({'': text})}")
            served.client.post("/api/jobs:cancel", json={"ids": [text]})
            served.client.post("/api/queues/default/pause", json={"reason": text})
            served.client.post("/api/queues/default/resume")
        assert served.state(held) == "ready"
        assert set(proxy.requests) <= {b"EVALSHA", b"EVAL", b"SCRIPT", b"HELLO", b"CLIENT", b"CONFIG", b"INFO", b"PING"}


# -- What a browser could be made to do

MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "</script><svg/onload=x>",
]


@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_data(served: Served, text: str) -> None:
    id = served.submit("echo", text, unique_key=text, id="xss" + str(MARKUP.index(text)))
    answers = [
        served.client.get(f"/api/jobs/{id}"),
        served.client.get("/api/jobs", params={"q": text, "state": "ready"}),
        served.client.get("/api/jobs", params={"state": text}),
        served.client.get(f"/{text}"),
        served.client.post("/api/jobs", json={"type": "echo", text: 1}),
        served.client.post("/api/jobs", json={"type": text}),
    ]
    for answer in answers:
        assert answer.headers["content-type"] in ("application/json", "application/problem+json")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/api/jobs", "/task", "/api/handlers/echo/jobs", "/api/jobs:cancel", "/api/claim"])
@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", None]
)
def test_forms_of_other_sites_are_refused(served: Served, path: str, media: str | None) -> None:
    headers = {} if media is None else {"Content-Type": media}
    answer = served.client.post(path, content=b'{"type": "echo", "worker": "w"}', headers=headers)
    problem(answer, 415, "media-type")


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_calls_of_other_sites_are_refused(served: Served, headers: dict[str, str]) -> None:
    id = served.submit()
    for method, path in (("POST", f"/api/jobs/{id}/cancel"), ("DELETE", f"/api/jobs/{id}"), ("POST", "/api/jobs")):
        answer = served.client.request(method, path, headers=headers, json={"type": "echo"})
        assert answer.status_code == 403, (method, path, answer.text)
    assert served.state(id) == "ready"


def test_nothing_is_changed_by_get_and_no_other_site_may_read(served: Served) -> None:
    id = served.submit()
    for verb in ("cancel", "retry", "promote", "complete"):
        assert served.client.get(f"/api/jobs/{id}/{verb}").status_code in (404, 405)
    for method in ("OPTIONS", "GET"):
        answer = served.client.request(method, "/api/jobs", headers={"Origin": "https://evil.example"})
        assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nSet-Cookie: x=1", "%0d%0aX-Evil:%201"])
def test_no_header_is_made_of_input(served: Served, text: str) -> None:
    for answer in (
        served.client.get("/api/jobs", params={"limit": 1, "q": "", "type": text}),
        served.client.post("/api/jobs", json={"type": "echo", "id": text}),
        served.client.get(f"/api/jobs/{httpx.QueryParams({'': text})}"),
        served.client.post("/api/jobs", json={"type": "echo"}, headers={"Prefer": f"wait=0; x={text.splitlines()[0]}"}),
    ):
        assert "x-evil" not in answer.headers and "set-cookie" not in answer.headers


# -- Everything that the description says, and does not say


@pytest.mark.timeout(BUDGET_S + 60)
def test_schemathesis(valkey: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    # Nobody waits for as long as a generated request may ask for.
    monkeypatch.setattr(call, "MAX_WAIT_S", 0.02)
    monkeypatch.setattr(claims, "MOST_WAIT_S", 0.02)
    with Served(make_app(valkey.url), worker=True) as served:
        served.submit("stay", queue="mail")
        command = [
            *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("run", f"{served.url}/openapi.json"),
            # Streams do not end; the other two make the address wait after some failures, as they should.
            *("--exclude-path", "/api/events", "--exclude-path", "/api/overview/events"),
            *("--exclude-path", "/api/login", "--exclude-path", "/api/logout"),
            *("--mode", "all", "--phases", "coverage,fuzzing", "--max-time", str(BUDGET_S), "--max-examples", "50"),
            *("--checks", CHECKS, "--continue-on-failure", "--no-shrink", "--no-color", "--workers", "1"),
            *("--request-timeout", "10", "--warnings", "off"),
        ]
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.described", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=BUDGET_S + 50, check=False
        )
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert "passed" in done.stdout
        assert served.client.get("/api/stats").status_code == 200


CHECKS = ",".join(
    (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "described_is_taken",
        "ignored_auth",
        "unsupported_method",
        "allow_header_conformance",
    )
)
