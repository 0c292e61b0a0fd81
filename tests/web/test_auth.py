"""Who may call the server: every route with every kind of token, tokens, their queues, and guessing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from nexq.scripts import find_lua
from nexq.web import dashboard
from nexq.web.asgi import create_asgi
from nexq.web.auth import FRESH_S
from nexq.web.principal import Scope
from nexq.web.ratelimit import Failures, network_of
from nexq.web.rules import API
from nexq.web.table import Rule
from tests.support.servers import Server
from tests.support.waiting import until_sync
from tests.web.conftest import make_app
from tests.web.support import ROOT, Secured, bearer, body_of, contents, fill, peopled, routes, secured

ORDER = list(Scope)
LOCKED = [("none", None), ("wrong", "nexq_" + "A" * 43), ("expired", "expired"), ("revoked", "revoked")]


@pytest.fixture(scope="module")
def site(valkey: Server) -> Iterator[Secured]:
    with peopled(valkey) as site:
        yield site


# -- Every route


def test_every_route_is_one_of_the_rules() -> None:
    """Nothing is served beside the table and the dashboard's files: no mount, no other route that asks nobody."""
    served = create_asgi(make_app("memory://")).routes
    assert all(type(route) is Route for route in served)
    found = {(m, r.path) for r in served if isinstance(r, Route) for m in (r.methods or set()) - {"HEAD"}}
    files = {("GET", path) for path in (*dashboard.PAGES, "/assets/{name}")}
    assert found == {(rule.method, rule.path) for rule in API} | files


def test_a_route_cannot_be_without_a_scope() -> None:
    with pytest.raises(TypeError, match="scope"):
        Rule(method="GET", path="/x", endpoint=API[0].endpoint, tag="", summary="")  # type: ignore[call-arg]


def test_what_is_public_is_named_here() -> None:
    public = {rule.path for rule in API if rule.scope is Scope.PUBLIC}
    assert public <= {"/api/login", "/livez", "/readyz", "/docs", "/docs/docs.css", "/docs/docs.js"}


@pytest.mark.parametrize("rule", routes())
@pytest.mark.parametrize(("kind", "who"), LOCKED, ids=[kind for kind, _ in LOCKED])
def test_a_route_is_closed_without_a_token_that_counts(site: Secured, rule: Rule, kind: str, who: str | None) -> None:
    answer = site.ask(who, rule.method, fill(rule), **body_of(rule))
    if rule.scope is Scope.PUBLIC:
        assert answer.status_code not in (401, 403)
        return
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:nexq:problem:unauthenticated"


@pytest.mark.parametrize("rule", routes())
@pytest.mark.parametrize("who", ["read", "write", "root"])
def test_a_route_is_open_to_its_scope_and_to_no_lesser_one(site: Secured, rule: Rule, who: str) -> None:
    scope = Scope("admin" if who == "root" else who)
    answer = site.ask(who, rule.method, fill(rule), **body_of(rule))
    if ORDER.index(scope) < ORDER.index(rule.scope):
        assert answer.status_code == 403
        assert answer.json()["type"] == "urn:nexq:problem:scope"
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    else:
        assert answer.status_code < 500 and answer.status_code not in (401, 403), answer.text


STRANGE = [
    "Basic bmV4cTp4",
    "Bearer",
    "bearer  ,",
    "nexq_x",
    "Bearer " + "x" * 5000,
    b"Bearer \xff",
    b"Bearer \xc3\xa9",
]


@pytest.mark.parametrize("header", STRANGE, ids=range(7))
def test_a_strange_authorization_is_refused(site: Secured, header: str | bytes) -> None:
    assert site.client.get("/api/me", headers={"Authorization": header}).status_code == 401


def test_a_token_is_not_taken_from_the_url(site: Secured) -> None:
    text = site.tokens["root"]
    for name in ("token", "access_token", "api_key"):
        assert site.client.get("/api/me", params={name: text}).status_code == 401


# -- Queues


def test_a_token_for_some_queues_sees_and_changes_no_other(site: Secured) -> None:
    mine = site.ask("mailer", "POST", "/api/jobs", json={"type": "send_email", "payload": {"to": "a"}})
    assert mine.status_code == 202
    assert site.ask("mailer", "POST", "/api/jobs", json={"type": "echo"}).status_code == 403
    other = site.ask("root", "POST", "/api/jobs", json={"type": "echo"}).json()["id"]

    assert site.ask("mailer", "GET", f"/api/jobs/{mine.json()['id']}").status_code == 200
    for method, path in (
        ("GET", f"/api/jobs/{other}"),
        ("GET", f"/api/jobs/{other}?queue=default"),
        ("POST", f"/api/jobs/{other}/cancel"),
        ("DELETE", f"/api/jobs/{other}"),
    ):
        assert site.ask("mailer", method, path).status_code == 404, path
    for path in ("/api/jobs", "/api/jobs?queue=default"):
        assert {j["queue"] for j in site.ask("mailer", "GET", path).json()["jobs"]} <= {"mail"}
    assert [q["name"] for q in site.ask("mailer", "GET", "/api/queues").json()["queues"]] == ["mail"]
    for verb in ("pause", "resume", "purge"):
        assert site.ask("postmaster", "POST", f"/api/queues/default/{verb}").status_code == 404
    assert site.ask("mailer", "POST", "/api/claim", json={"queue": "default", "worker": "w"}).status_code == 403
    body = {"ids": [other]}
    assert site.ask("mailer", "POST", "/api/jobs:cancel", json=body).json()["done"] == 0
    assert site.ask("root", "GET", f"/api/jobs/{other}").json()["state"] == "ready"


def test_a_token_for_some_queues_cannot_make_itself_a_better_one(site: Secured) -> None:
    for method, path in (("GET", "/api/tokens"), ("POST", "/api/tokens"), ("GET", "/api/audit")):
        assert (
            site.ask("postmaster", method, path, **({"json": {"name": "x"}} if method == "POST" else {})).status_code
            == 403
        )
    assert site.ask("postmaster", "DELETE", f"/api/tokens/{site.made['read'].id}").status_code == 403


# -- Tokens


def test_a_token_is_shown_once_and_only_its_digest_is_kept(site: Secured, valkey: Server) -> None:
    answer = site.ask("root", "POST", "/api/tokens", json={"name": "once", "scope": "read", "queues": ["mail*"]})
    assert answer.status_code == 201
    text = answer.json()["token"]
    assert re.fullmatch(r"nexq_[A-Za-z0-9_-]{43}", text)
    assert answer.json()["queues"] == ["mail*"]
    assert site.ask(text, "GET", "/api/me").json()["name"] == "once"

    kept = contents(valkey)
    assert answer.json()["id"].encode() in kept
    for secret in (text, *site.tokens.values()):
        assert secret.encode() not in kept and secret[5:].encode() not in kept
    assert text not in site.ask("root", "GET", "/api/tokens").text
    assert text not in site.ask("root", "GET", "/api/audit").text

    again = site.ask("root", "POST", "/api/tokens", json={"name": "once", "scope": "read"})
    assert again.status_code == 409 and "already" in again.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "x\ny"},
        {"name": "a" * 101},
        {"name": "x", "scope": "root"},
        {"name": "x", "scope": "public"},
        {"name": "x", "queues": ["\x00"]},
        {"name": "x", "expires_in": 0},
        {"name": "x", "queue": "mail"},
    ],
)
def test_a_token_that_makes_no_sense_is_refused(site: Secured, body: dict[str, Any]) -> None:
    assert site.ask("root", "POST", "/api/tokens", json=body).status_code == 422


def test_a_revoked_token_stops_working_within_seconds_also_elsewhere(site: Secured) -> None:
    text = site.make("short", "read")
    assert site.ask(text, "GET", "/api/me").status_code == 200

    async def revoke() -> bool:
        return await (await site.app.store()).books.revoke_token(site.made["short"].id)

    # As another server, or the command line, would do it: this server's memory is not told.
    assert site.call(revoke)
    until_sync(lambda: site.ask(text, "GET", "/api/me").status_code == 401, FRESH_S + 1.0, "the token to be refused")


def test_the_use_of_a_token_is_noted(site: Secured) -> None:
    site.make("used", "read")
    site.make("unused", "read")
    site.ask("used", "GET", "/api/me")
    listed = {t["name"]: t for t in site.ask("root", "GET", "/api/tokens").json()["tokens"]}
    assert listed["used"]["used_ms"] >= listed["used"]["created_ms"] - 1
    assert listed["unused"]["used_ms"] is None
    assert listed["expired"]["expires_ms"] == 2000


def test_digests_and_signatures_are_compared_in_constant_time() -> None:
    """No `==` on anything that is, by its name, derived from a secret."""
    secret = re.compile(r"digest|secret|signature|csrf|sha256|cookie|\btext\b", re.I)
    compared = 0
    for path in ("web/auth.py", "web/sessions.py", "web/logins.py", "web/tokens.py", "store/books.py"):
        tree = ast.parse((ROOT / "nexq" / path).read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "hmac.compare_digest":
                compared += 1
            if not isinstance(node, ast.Compare):
                continue
            for op, right in zip(node.ops, node.comparators, strict=True):
                if not isinstance(op, ast.Eq | ast.NotEq | ast.In | ast.NotIn):
                    continue
                sides = (ast.unparse(node.left), ast.unparse(right))
                assert not any(secret.search(side) for side in sides), f"{path}:{node.lineno}: {ast.unparse(node)}"
    assert compared == 3
    for script in find_lua().glob("token_*.lua"):
        assert "digest" not in re.sub(r"^--.*$", "", script.read_text(), flags=re.M)


# -- Too many failures


def test_guessing_is_limited_and_tokens_that_worked_before_still_do(valkey: Server) -> None:
    with secured(valkey, failures=Failures()) as site:
        site.make("known", "read")
        site.make("fresh", "read")
        assert site.ask("known", "GET", "/api/me").status_code == 200

        with ThreadPoolExecutor(8) as pool:
            guesses = [f"nexq_{n:043}" for n in range(60)]
            answers = list(pool.map(lambda g: httpx.get(f"{site.url}/api/me", headers=bearer(g)), guesses))
        codes = [a.status_code for a in answers]
        assert codes.count(401) == 10 and codes.count(429) == 50
        limited = next(a for a in answers if a.status_code == 429)
        assert 1 <= int(limited.headers["retry-after"]) <= 60
        assert limited.json()["type"] == "urn:nexq:problem:too-many-failures"

        assert site.ask("known", "GET", "/api/me").status_code == 200
        assert site.ask("fresh", "GET", "/api/me").status_code == 429
        assert site.client.post("/api/login", json={"token": "guess"}).status_code == 429
        assert site.client.get("/api/me", headers={"Cookie": f"nexq_session={_FORGED}"}).status_code == 429
        assert site.client.get("/api/me").status_code == 401
        assert site.client.get("/livez").status_code == 200


def test_logins_and_forged_cookies_count_as_failures(valkey: Server) -> None:
    with secured(valkey, failures=Failures(most=4)) as site:
        for _ in range(2):
            assert site.client.post("/api/login", json={"token": "guess"}).status_code == 401
            assert site.client.get("/api/me", headers={"Cookie": f"nexq_session={_FORGED}"}).status_code == 401
        assert site.client.post("/api/login", json={"token": "guess"}).status_code == 429


_FORGED = f"{'A' * 22}.{'0' * 16}.99999999999999.{'B' * 43}"


def test_failures_slide_out_of_their_window_and_memory_is_bounded() -> None:
    now = [0.0]
    failures = Failures(most=3, window_s=60, addresses=100, clock=lambda: now[0])
    for at in (0, 10, 20):
        now[0] = at
        assert failures.wait_s("192.0.2.1") == 0
        failures.note("192.0.2.1")
    assert failures.wait_s("192.0.2.1") == 40
    assert failures.wait_s("192.0.2.2") == 0
    now[0] = 60
    assert failures.wait_s("192.0.2.1") == 0
    failures.note("192.0.2.1")
    assert failures.wait_s("192.0.2.1") == 10
    for n in range(1000):
        failures.note(f"198.51.{n // 250}.{n % 250}")
    assert len(failures) == 100


def test_an_address_is_a_client() -> None:
    assert network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2::ffff") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == network_of("fe80::2")
    assert network_of("not:an:address") == "not:an:address"
    assert network_of("") == ""
