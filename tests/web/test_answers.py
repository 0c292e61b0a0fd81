"""What every answer carries, and what a server without authentication takes."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from nexq.web.rules import API
from tests.support.servers import Server
from tests.web.support import Secured, fill, peopled, secured


@pytest.fixture(scope="module")
def site(valkey: Server) -> Iterator[Secured]:
    with peopled(valkey) as site:
        yield site


# -- Answers


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/api/me", 401), ("GET", "/nowhere", 404), ("PUT", "/api/jobs", 405), ("GET", "/livez", 200)],
)
def test_every_answer_has_the_safe_headers(site: Secured, method: str, path: str, status: int) -> None:
    answer = site.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"


def test_no_other_origin_is_let_in(site: Secured) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for rule in API:
        answer = site.client.options(fill(rule), headers=asked)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]
    answer = site.ask("root", "GET", "/api/jobs", headers={"Origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


# -- Without authentication


def test_an_open_server_takes_no_calls_of_other_sites_and_of_other_names(valkey: Server) -> None:
    with secured(valkey, auth=False, local_only=True) as site:
        me = site.client.get("/api/me").json()
        assert (me["auth"], me["name"], me["scope"], me["queues"]) == (False, "anyone", "admin", [])
        assert site.client.post("/api/login", json={"token": "x"}).json()["auth"] is False
        assert site.client.post("/api/jobs", json={"type": "echo"}).status_code == 202
        evil = {"Origin": "https://evil.example"}
        assert site.client.post("/api/jobs", json={"type": "echo"}, headers=evil).status_code == 403
        assert site.client.post("/api/queues/default/pause", headers=evil).status_code == 403
        for host, status in (
            ("localhost", 200),
            ("localhost:8080", 200),
            ("[::1]:8080", 200),
            ("127.0.0.2", 200),
            ("evil.example", 403),
            ("127.0.0.1.evil.example", 403),
            ("localhost.evil.example", 403),
            ("192.0.2.1", 403),
            ("[", 403),
            ("", 403),
        ):
            assert site.client.get("/api/jobs", headers={"Host": host}).status_code == status, host


def test_workers_and_handlers_are_seen_and_ordered_within_the_tokens_queues(site: Secured) -> None:
    async def tell() -> None:
        store = await site.app.store()
        for worker, queues in (("both", ["mail", "other"]), ("mails", ["mail"]), ("others", ["other"])):
            await store.members.beat(worker, 60_000, orjson.dumps({"queues": queues}))

    site.call(tell)
    seen = {w["id"] for w in site.ask("postmaster", "GET", "/api/workers").json()["workers"]}
    assert {"both", "mails"} <= seen and "others" not in seen
    handlers = site.ask("postmaster", "GET", "/api/handlers").json()["handlers"]
    assert {h["queue"] for h in handlers} == {"mail"}
    orders = {w: site.ask("postmaster", "POST", f"/api/workers/{w}/order", json={"concurrency": 3}) for w in seen}
    assert orders["mails"].status_code == 202 and orders["both"].status_code == 403
    refused = site.ask("postmaster", "POST", "/api/workers/others/order", json={"concurrency": 3})
    assert refused.status_code == 404
