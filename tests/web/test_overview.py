"""Overview, its stream and the charts: from the store's own figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import Server
from tests.support.waiting import until_sync
from tests.web.conftest import Served, make_app
from tests.web.test_events import following
from tests.web.test_submit import problem


@pytest.fixture
def own(valkey: Server) -> Iterator[Served]:
    with Served(make_app(valkey.url)) as served:
        yield served


@pytest.fixture
def at_work(valkey: Server) -> Iterator[Served]:
    with Served(make_app(valkey.url), worker=True) as served:
        yield served


def of_queue(overview: dict[str, Any], name: str) -> dict[str, Any]:
    (queue,) = (queue for queue in overview["queues"] if queue["name"] == name)
    found: dict[str, Any] = queue
    return found


def overview_when(served: Served, true: Any) -> dict[str, Any]:
    """The overview once something is true of it."""
    seen: dict[str, Any] = {}

    def look() -> bool:
        seen.clear()
        seen.update(served.client.get("/api/overview").json())
        return bool(true(seen))

    until_sync(look, 15, what="the overview to tell")
    return seen


def test_an_empty_store_has_an_empty_overview(own: Served) -> None:
    seen = own.client.get("/api/overview").json()
    assert seen["queues"] == [] and seen["alarms"] == []
    assert seen["slots"] == {"busy": 0, "total": 0}
    series = own.client.get("/api/series").json()
    assert len(series["at_ms"]) == len(series["completed"]) == 60 and not any(series["completed"])


def test_work_is_seen_with_rates_and_percentiles(at_work: Served) -> None:
    ids = [at_work.submit("echo", n) for n in range(20)] + [at_work.submit("fail", {}) for _ in range(20)]
    until_sync(lambda: all(at_work.state(id) in ("completed", "dead") for id in ids), 15, what="the jobs to end")
    seen = overview_when(at_work, lambda o: o["queues"] and o["totals"]["counts"]["dead"] == 20)
    queue = of_queue(seen, "default")
    assert queue["counts"]["completed"] == 20 and queue["workers"] == 1 and queue["slots"]["total"] > 0
    assert queue["rates"]["enqueued"] > 0 and queue["rates"]["completed"] > 0
    assert queue["failure_rate"] == 0.5
    assert queue["lateness_ms"]["count"] == queue["run_ms"]["count"] == 40
    assert 0 <= queue["run_ms"]["p50"] <= queue["run_ms"]["p99"] < 15_000
    assert queue["drain_s"] == 0
    assert {alarm["what"] for alarm in seen["alarms"]} == {"failing", "dead"}
    assert seen["workers"]["running"] == 1


def test_ready_jobs_without_a_worker_are_an_alarm_and_a_pause_is_none(own: Served) -> None:
    own.submit("echo", 1)
    seen = overview_when(own, lambda o: any(a["what"] == "no_worker" for a in o["alarms"]))
    assert [(a["level"], a["queue"]) for a in seen["alarms"]] == [("red", "default")]
    assert of_queue(seen, "default")["drain_s"] is None
    own.client.post("/api/queues/default/pause", json={"reason": "inventory"})
    seen = overview_when(own, lambda o: of_queue(o, "default")["paused"])
    assert [(a["level"], a["what"]) for a in seen["alarms"]] == [("amber", "paused")]
    assert of_queue(seen, "default")["paused"]["reason"] == "inventory"


def test_the_stream_tells_of_changes(own: Served) -> None:
    with following(own, "/api/overview/events") as frames:
        first = frames.next()
        assert first["event"] == "overview"
        own.submit("echo", 1)
        while not (seen := frames.next()["data"])["queues"]:
            pass
    assert of_queue(seen, "default")["counts"]["ready"] == 1


def test_series_count_what_happened(at_work: Served) -> None:
    ids = [at_work.submit("echo", n) for n in range(7)]
    until_sync(lambda: all(at_work.state(id) == "completed" for id in ids), 15, what="the jobs to end")
    for wanted in ("1h", "6h", "24h", "7d", "30d"):
        series = at_work.client.get(f"/api/series?range={wanted}&by=queue").json()
        places = len(series["at_ms"])
        assert sum(series["enqueued"]) == sum(series["completed"]) == 7
        assert all(len(series[name]) == places for name in ("failed", "dead", "cancelled", "lost", "ready", "running"))
        assert all(b - a == series["step_s"] * 1000 for a, b in zip(series["at_ms"], series["at_ms"][1:], strict=False))
        assert sum(point is not None for point in series["run_ms"]["p95"]) in (1, 2)
        assert series["ready"][-1] == 0
        assert sum(series["by_queue"]["default"]["completed"]) == 7
    other = at_work.client.get("/api/series?queue=mail").json()
    assert other["queues"] == ["mail"] and sum(other["enqueued"]) == 0


@pytest.mark.parametrize("query", ["range=2h", "by=type", "range=", "queue=a}b"])
def test_bad_queries(own: Served, query: str) -> None:
    answer = own.client.get(f"/api/series?{query}")
    if query == "range=":
        assert answer.status_code == 400
    elif query.startswith("queue"):
        assert answer.status_code in (400, 422)
    else:
        problem(answer, 400, "bad-query")


def test_stats_of_one_queue(own: Served) -> None:
    own.submit("echo", 1)
    own.client.post("/api/jobs", json={"type": "send_email", "payload": {"to": "a"}})
    assert own.client.get("/api/stats").json()["counts"]["ready"] == 2
    assert own.client.get("/api/stats?queue=mail").json()["counts"]["ready"] == 1
