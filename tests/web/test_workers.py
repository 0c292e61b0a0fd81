"""Workers over HTTP: what they tell of themselves, their jobs, orders, and what was taken back from the dead."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import Server
from tests.support.waiting import until_sync
from tests.web.conftest import Served, make_app
from tests.web.test_submit import problem


@pytest.fixture
def at_work(valkey: Server) -> Iterator[Served]:
    with Served(make_app(valkey.url), worker=True) as served:
        yield served


def the_worker(served: Served) -> dict[str, Any]:
    """The one worker, once it has said that it lives."""
    found: list[dict[str, Any]] = []

    def look() -> bool:
        found[:] = served.client.get("/api/workers").json()["workers"]
        return bool(found)

    until_sync(look, 10, what="a worker")
    return found[0]


def test_a_worker_tells_what_it_is_and_uses(at_work: Served) -> None:
    worker = the_worker(at_work)
    assert worker["state"] == "running" and worker["claiming"] is True and worker["alive"] is True
    assert worker["version"] and worker["python"].count(".") == 2
    now_ms = time.time() * 1000
    assert now_ms - 60_000 < worker["started_ms"] <= now_ms
    assert now_ms - 60_000 < worker["seen_ms"] < now_ms + 5_000
    assert worker["rss_bytes"] > 1_000_000 and worker["cpu"] >= 0
    assert worker["concurrency"] == 10


def test_its_jobs_are_shown(at_work: Served) -> None:
    ids = [at_work.submit("stay") for _ in range(3)]
    for id in ids:
        at_work.until(id, "running")
    worker = the_worker(at_work)
    shown = at_work.client.get(f"/api/workers/{worker['id']}").json()
    assert {job["id"] for job in shown["jobs"]} == set(ids)
    assert shown["jobs_more"] is False and shown["rerouted"] == []
    listed = at_work.client.get("/api/jobs", params={"worker": worker["id"], "state": "running"}).json()["jobs"]
    assert {job["id"] for job in listed} == set(ids)
    for id in ids:
        at_work.client.post(f"/api/jobs/{id}/cancel")


def test_an_order_is_carried_out_and_soon_seen(at_work: Served) -> None:
    worker = the_worker(at_work)
    path = f"/api/workers/{worker['id']}/order"

    def seen(**wanted: Any) -> bool:
        now = the_worker(at_work)
        return all(now[name] == value for name, value in wanted.items())

    assert at_work.client.post(path, json={"concurrency": 3}).status_code == 202
    until_sync(lambda: seen(concurrency=3), 4, what="the concurrency to change")
    at_work.client.post(path, json={"claiming": False})
    until_sync(lambda: seen(claiming=False, state="paused"), 4, what="the worker to pause")
    at_work.client.post(path, json={"claiming": True})
    until_sync(lambda: seen(claiming=True, state="running"), 4, what="the worker to go on")


def test_a_worker_that_is_not_known(at_work: Served) -> None:
    problem(at_work.client.get("/api/workers/nobody"), 404, "worker-not-found")
    problem(at_work.client.get("/api/rerouted?limit=0"), 400, "bad-query")


def test_jobs_taken_back_are_listed_with_where_they_are_now(valkey: Server) -> None:
    with Served(make_app(valkey.url)) as served:
        id = served.submit("echo", 1)
        served.client.post("/api/claim", json={"worker": "gone", "lease": 1})

        async def tidy() -> None:
            await (await served.app.store()).moves.tidy("default")

        def taken_back() -> bool:
            served.call(tidy)
            return served.state(id) == "ready"

        until_sync(taken_back, 10, what="the job to be taken back")
        served.client.post("/api/claim", json={"worker": "next"})
        (found,) = served.client.get("/api/rerouted").json()["rerouted"]
        assert (found["id"], found["queue"], found["from"], found["became"]) == (id, "default", "http:gone", "ready")
        assert (found["state"], found["worker"], found["type"]) == ("running", "http:next", "echo")
        assert served.client.get("/api/rerouted?worker=http:next").json()["rerouted"] == []


def test_who_i_am_tells_of_the_server_too(served: Served) -> None:
    me = served.client.get("/api/me").json()
    assert me["auth"] is False and me["scope"] == "admin"
    assert me["version"] and me["namespace"] == served.app.namespace
