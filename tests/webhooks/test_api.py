"""Webhooks over HTTP: hooks of queues, keys, the log of deliveries, delivering once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import Server
from tests.support.waiting import until_sync
from tests.web.conftest import Served, make_app
from tests.web.support import Secured, contents, secured
from tests.webhooks.conftest import Receiver

LOG = "/api/webhooks/deliveries"


@pytest.fixture
def site(valkey: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """An API with a worker that may call loopback."""
    monkeypatch.setenv("NEXQ_WEBHOOK_ALLOW", "127.0.0.1")
    with Served(make_app(valkey.url), worker=True) as site:
        yield site


@pytest.fixture
def closed(valkey: Server) -> Iterator[Secured]:
    """An API that asks for tokens."""
    with secured(valkey) as closed:
        closed.make("root", "admin")
        closed.make("writer", "write")
        closed.make("postmaster", "admin", "mail*")
        yield closed


def log(site: Served, state: str) -> list[dict[str, Any]]:
    """The deliveries in a state."""
    return list(site.client.get(LOG, params={"state": state}).json()["jobs"])


def test_from_a_queues_hook_to_its_delivery_and_once_more(site: Served, receiver: Receiver) -> None:
    key = site.client.post("/api/webhooks/keys", json={"name": "shop"})
    assert key.status_code == 201 and key.json()["secret"].startswith("whsec_")
    body = {"url": receiver.url(), "on": ["completed"], "key": "shop"}
    made = site.client.post("/api/queues/default/webhooks", json=body)
    assert made.status_code == 201
    assert made.json() == {**body, "id": made.json()["id"]}
    assert site.client.post("/api/queues/default/webhooks", json=body).json() == made.json()
    assert site.client.get("/api/queues/default/webhooks").json() == {"webhooks": [made.json()]}

    receiver.statuses["/hook"] = [500]
    id = site.submit("echo", 7)
    (retrying,) = until_sync(lambda: log(site, "retrying"), 10.0, what="a failed delivery")
    assert retrying["payload"]["job"] == id and "500" in retrying["error"]
    again = site.client.post(f"{LOG}/{retrying['id']}/redeliver")
    assert again.status_code == 202 and again.json() == {"id": retrying["id"], "queue": "default"}
    (done,) = until_sync(lambda: log(site, "completed"), 10.0, what="a delivery")
    assert done["result"]["status"] == 200 and len(done["attempts"]) == 1
    copy = site.client.post(f"{LOG}/{done['id']}/redeliver").json()["id"]
    until_sync(lambda: len(log(site, "completed")) == 2, 10.0, what="the second delivery")
    assert copy != done["id"] and len(receiver.got) == 3
    assert len({m.headers["webhook-id"] for m in receiver.got}) == 1

    gone = f"/api/queues/default/webhooks/{made.json()['id']}"
    assert [site.client.delete(gone).status_code for _ in range(2)] == [204, 404]
    assert site.client.get("/api/queues/default/webhooks").json() == {"webhooks": []}


def test_what_is_no_delivery_cannot_be_delivered_again(site: Served) -> None:
    id = site.submit("echo", 1)
    assert site.client.post(f"{LOG}/{id}/redeliver").status_code == 409
    assert site.client.post(f"{LOG}/none/redeliver").status_code == 404
    assert site.client.post("/api/jobs", json={"type": "nexq:webhook", "payload": {}}).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "ftp://a.example"},
        {"url": "http://a@b.example"},
        {"url": "https://a.example", "on": []},
        {"url": "https://a.example", "on": ["running"]},
        {"url": "https://a.example", "key": "a b"},
        {"url": "https://a.example", "secret": "x"},
    ],
)
def test_a_hook_that_cannot_be_is_refused(closed: Secured, body: dict[str, Any]) -> None:
    assert closed.ask("root", "POST", "/api/queues/default/webhooks", json=body).status_code == 422


def test_secrets_are_shown_once_and_only_to_who_may_see_all(closed: Secured, valkey: Server) -> None:
    secrets = []
    for _ in range(3):
        made = closed.ask("root", "POST", "/api/webhooks/keys", json={"name": "shop"})
        assert made.status_code == 201
        secrets.append(made.json()["secret"])
    listed = closed.ask("root", "GET", "/api/webhooks/keys")
    assert [k["name"] for k in listed.json()["keys"]] == ["shop", "shop"]
    notes = closed.ask("root", "GET", "/api/audit").text
    for secret in secrets:
        assert secret not in listed.text and secret not in notes
    assert secrets[0].encode() not in contents(valkey), "the oldest is forgotten"
    for method, path in (("GET", "/api/webhooks/keys"), ("DELETE", "/api/webhooks/keys/shop")):
        assert closed.ask("postmaster", method, path).status_code == 403
        assert closed.ask("writer", method, path).status_code == 403
    older = listed.json()["keys"][1]["id"]
    assert closed.ask("root", "DELETE", f"/api/webhooks/keys/shop?id={older}").status_code == 204
    assert len(closed.ask("root", "GET", "/api/webhooks/keys").json()["keys"]) == 1
    assert [closed.ask("root", "DELETE", "/api/webhooks/keys/shop").status_code for _ in range(2)] == [204, 404]


def test_hooks_are_an_administrators_of_that_queue(closed: Secured) -> None:
    body = {"url": "https://a.example/"}
    for who, queue, status in (
        ("writer", "mail", 403),
        ("postmaster", "default", 404),
        ("postmaster", "mail", 201),
        ("root", "default", 201),
    ):
        assert closed.ask(who, "POST", f"/api/queues/{queue}/webhooks", json=body).status_code == status, who


def test_a_jobs_own_webhooks(site: Served, receiver: Receiver) -> None:
    assert site.client.post("/api/webhooks/keys", json={}).status_code == 201
    id = site.submit("echo", 1, webhooks=[{"url": receiver.url(), "on": ["completed"]}])
    (done,) = until_sync(lambda: log(site, "completed"), 10.0, what="a delivery")
    assert done["payload"]["job"] == id


@pytest.mark.parametrize(
    ("hook", "pointer"),
    [
        ({"url": "ftp://example.com"}, "/webhooks/0/url"),
        ({"url": "http://:80"}, "/webhooks/0/url"),
        ({"url": "https://example.com", "on": ["started"]}, "/webhooks/0/on/0"),
        ({"on": ["dead"]}, "/webhooks/0/url"),
    ],
)
def test_a_jobs_bad_webhook_is_refused(site: Served, hook: dict[str, Any], pointer: str) -> None:
    answer = site.client.post("/api/jobs", json={"type": "echo", "webhooks": [hook]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
