"""What a browser may be made to send: logins, cookies, calls of other sites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from nexq.web.asgi import create_asgi
from nexq.web.principal import Scope
from nexq.web.rules import API
from nexq.web.table import Rule
from tests.support.servers import Server
from tests.web.conftest import make_app
from tests.web.support import Secured, bearer, dump, fill, peopled, routes, secured


@pytest.fixture(scope="module")
def site(valkey: Server) -> Iterator[Secured]:
    with peopled(valkey) as site:
        yield site


class Browser:
    """A client with a session."""

    def __init__(self, site: Secured, who: str = "root") -> None:
        self.site = site
        self.client = httpx.Client(base_url=site.url, trust_env=False)
        self.login = self.client.post("/api/login", json={"token": site.tokens[who]})
        assert self.login.status_code == 200, self.login.text
        self.csrf = {"X-CSRF-Token": self.login.json()["csrf_token"]}

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def submit(self, **more: Any) -> httpx.Response:
        return self.client.post("/api/jobs", **{"json": {"type": "echo"}, **more})


@pytest.fixture
def browser(site: Secured) -> Iterator[Browser]:
    with Browser(site) as browser:
        yield browser


def test_the_cookie_is_out_of_reach(site: Secured, browser: Browser) -> None:
    cookie = browser.login.headers["set-cookie"]
    flags = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"httponly", "samesite=strict", "path=/"} <= flags
    assert "secure" not in flags and not any(flag.startswith("domain") for flag in flags)
    assert site.tokens["root"] not in cookie and site.tokens["root"][5:] not in cookie
    assert browser.csrf["X-CSRF-Token"] not in cookie


async def test_the_cookie_is_secure_over_https(valkey: Server) -> None:
    from nexq.web.auth import Guard

    app = make_app(valkey.url)
    _, text = await (await app.store()).books.create_token("t", "read")
    transport = httpx.ASGITransport(create_asgi(app, gate=Guard(app, auth=True)))
    async with httpx.AsyncClient(transport=transport, base_url="https://nexq.example") as client:
        answer = await client.post("/api/login", json={"token": text})
        assert "; secure" in answer.headers["set-cookie"].lower()
    await app.aclose()


def test_a_session_does_what_its_token_may(site: Secured, browser: Browser) -> None:
    me = browser.client.get("/api/me").json()
    assert (me["name"], me["scope"], me["auth"]) == ("root", "admin", True)
    assert me["csrf_token"] == browser.csrf["X-CSRF-Token"]
    assert browser.submit(headers=browser.csrf).status_code == 202
    with Browser(site, "read") as reader:
        assert reader.client.get("/api/jobs").status_code == 200
        assert reader.submit(headers=reader.csrf).status_code == 403


@pytest.mark.parametrize("rule", [r for r in routes() if r.values[0].method != "GET"])
def test_no_route_that_changes_something_takes_a_cookie_alone(site: Secured, browser: Browser, rule: Rule) -> None:
    answer = browser.client.request(rule.method, fill(rule), json={})
    if rule.scope is Scope.PUBLIC:
        return
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:nexq:problem:csrf"


def test_the_csrf_token_must_be_this_sessions(site: Secured, browser: Browser) -> None:
    with Browser(site) as other:
        for wrong in ("", "x", other.csrf["X-CSRF-Token"], browser.csrf["X-CSRF-Token"][:-1], "\u00e9".encode()):
            assert browser.submit(headers={"X-CSRF-Token": wrong}).status_code == 403
        assert browser.submit(headers=browser.csrf).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_calls_of_other_sites_are_refused(site: Secured, browser: Browser, headers: dict[str, str]) -> None:
    assert browser.submit(headers={**headers, **browser.csrf}).status_code == 403
    assert browser.client.post("/api/login", json={"token": "x"}, headers=headers).status_code == 403
    own = {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}
    assert browser.submit(headers={**own, **browser.csrf}).status_code == 202


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None])
def test_forms_are_not_taken(site: Secured, browser: Browser, media: str | None) -> None:
    headers = {**browser.csrf, **({"Content-Type": media} if media else {})}
    before = dump_jobs(site)
    assert browser.client.post("/api/jobs", content=b'{"type": "echo"}', headers=headers).status_code == 415
    assert browser.client.post("/api/login", content=b'{"token": "x"}', headers=headers).status_code == 415
    assert dump_jobs(site) == before


def dump_jobs(site: Secured) -> int:
    return int(site.ask("root", "GET", "/api/stats").json()["totals"].get("enqueued", 0))


def test_reading_changes_nothing(valkey: Server) -> None:
    """GET on every path, of those that change something too."""
    with secured(valkey) as site:
        site.make("root", "admin")
        job = site.ask("root", "POST", "/api/jobs", json={"type": "echo"}).json()["id"]
        # That a token was used is noted, once a minute; that somebody listens to events too.
        before = dump(valkey, site.app.namespace, without=("}:token_uses",))
        for path in sorted({fill(rule, id=job, queue="default") for rule in API}):
            if not path.endswith("/events"):
                assert site.ask("root", "GET", path).status_code < 500
                assert site.ask("root", "HEAD", path).status_code < 500
        assert dump(valkey, site.app.namespace, without=("}:token_uses",)) == before


def test_logging_out_ends_the_session_for_good(site: Secured, browser: Browser) -> None:
    cookie = {"Cookie": f"nexq_session={browser.client.cookies['nexq_session']}"}
    assert httpx.get(f"{site.url}/api/me", headers=cookie).status_code == 200
    answer = browser.client.post("/api/logout", headers=browser.csrf)
    assert answer.status_code == 204 and "max-age=0" in answer.headers["set-cookie"].lower()
    assert "nexq_session" not in browser.client.cookies
    assert httpx.get(f"{site.url}/api/me", headers=cookie).status_code == 401


def test_revoking_the_token_ends_its_sessions(site: Secured) -> None:
    site.make("guest", "admin")
    with Browser(site, "guest") as guest:
        assert guest.client.get("/api/me").status_code == 200
        assert site.ask("root", "DELETE", f"/api/tokens/{site.made['guest'].id}").status_code == 204
        assert guest.client.get("/api/me").status_code == 401


def test_a_session_ends_in_its_time(site: Secured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nexq.web.sessions.LIFE_S", -1)
    with Browser(site) as browser:
        cookie = browser.login.headers["set-cookie"].split(";")[0]
        answer = httpx.get(f"{site.url}/api/me", headers={"Cookie": cookie})
        assert answer.status_code == 401 and "ended" in answer.json()["detail"]


def test_another_server_knows_the_session(site: Secured, browser: Browser, valkey: Server) -> None:
    app = make_app(valkey.url)
    app.namespace = site.app.namespace
    with Secured(app) as other:
        other.client.cookies.update(browser.client.cookies)
        assert other.client.get("/api/me").json()["name"] == "root"
        assert other.client.post("/api/jobs", json={"type": "echo"}, headers=browser.csrf).status_code == 202


@pytest.mark.parametrize("part", range(4))
def test_a_cookie_that_was_changed_is_not_known(site: Secured, browser: Browser, part: int) -> None:
    parts = browser.client.cookies["nexq_session"].split(".")
    parts[part] = ("1" if parts[part][0] != "1" else "2") + parts[part][1:]
    for cookie in (".".join(parts), ".".join(parts[:-1]), "x", "a.b.c.d"):
        assert httpx.get(f"{site.url}/api/me", headers={"Cookie": f"nexq_session={cookie}"}).status_code == 401


def test_a_wrong_token_is_not_helped_by_a_session(site: Secured, browser: Browser) -> None:
    assert browser.client.get("/api/me", headers=bearer("wrong")).status_code == 401
