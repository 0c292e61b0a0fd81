"""Live events: every move told once, in order, and again from where a client left off."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import orjson

from tests.support.waiting import until_sync
from tests.web.conftest import Served


class Frames:
    """The frames of an open stream, one after the other."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.iter_lines()

    def next(self) -> dict[str, Any]:
        """The next event: id, event, data."""
        frame: dict[str, Any] = {}
        for line in self._lines:
            if not line and "data" in frame:
                return frame
            name, _, value = line.partition(": ")
            if name in ("id", "event"):
                frame[name] = value
            elif name == "data":
                frame["data"] = orjson.loads(value)
        raise AssertionError("the stream ended")

    def until(self, event: str, id: str) -> list[dict[str, Any]]:
        """The frames up to the one that tells `event` of job `id`."""
        seen = []
        while True:
            seen.append(self.next())
            if seen[-1]["event"] == event and id in seen[-1]["data"].get("ids", ()):
                return seen


@contextlib.contextmanager
def following(served: Served, path: str = "/api/events", last: str = "") -> Iterator[Frames]:
    headers = {"Last-Event-ID": last} if last else {}
    with served.client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        # The opening comes once the stream listens: what happens from now on is told.
        lines = response.iter_lines()
        assert next(lines) == "retry: 1000"
        frames = Frames(response)
        frames._lines = lines
        yield frames


def moves_of(frames: list[dict[str, Any]], id: str) -> list[str]:
    return [f["event"] for f in frames if id in f["data"].get("ids", ())]


def make_queue_known(served: Served) -> None:
    """A stream follows the queues that are known when it opens."""
    done = served.submit("echo", 0)
    until_sync(lambda: served.state(done) == "completed", 10, what="a first job")


def test_the_life_of_a_job_is_told_in_order(working: Served) -> None:
    make_queue_known(working)
    with following(working) as frames:
        id = working.submit("echo", 1)
        assert moves_of(frames.until("completed", id), id) == ["ready", "running", "completed"]


def test_a_client_that_comes_back_misses_nothing_and_is_told_nothing_twice(working: Served) -> None:
    make_queue_known(working)
    with following(working) as frames:
        first = working.submit("echo", 1)
        last = frames.until("completed", first)[-1]["id"]
    away = [working.submit("echo", n) for n in range(20)]
    until_sync(lambda: all(working.state(id) == "completed" for id in away), 10, what="the jobs to end")
    with following(working, last=last) as frames:
        after = working.submit("echo", 2)
        seen = frames.until("completed", after)
    assert moves_of(seen, first) == []
    for id in [*away, after]:
        assert moves_of(seen, id) == ["ready", "running", "completed"]
    assert not [f for f in seen if f["event"] == "gap"]


def test_a_queue_that_is_new_is_followed_from_its_first_job(served: Served) -> None:
    with following(served) as frames:
        ids = [served.submit("echo", n, queue="fresh") for n in range(3)]
        seen = frames.until("ready", ids[-1])
    assert [f["data"]["ids"] for f in seen] == [[id] for id in ids]
    assert {f["event"] for f in seen} == {"ready"}


def test_so_is_one_that_came_while_the_client_was_away(served: Served) -> None:
    with following(served) as frames:
        served.submit("echo", 0, queue="old")
        last = frames.next()["id"]
    away = served.submit("echo", 1, queue="fresh")
    with following(served, last=last) as frames:
        seen = frames.until("ready", away)
    assert [f["data"] | {"at_ms": 0} for f in seen] == [{"queue": "fresh", "ids": [away], "at_ms": 0}]


def test_one_job_can_be_followed_alone(working: Served) -> None:
    watched = working.submit("echo", 1, schedule_in=0.5)
    with following(working, f"/api/jobs/{watched}/events") as frames:
        working.submit("echo", 2)
        seen = frames.until("completed", watched)
    assert {id for f in seen for id in f["data"]["ids"]} == {watched}


def test_kinds_and_queues_can_be_chosen(working: Served) -> None:
    make_queue_known(working)
    with following(working, "/api/events?queue=default&event=completed") as frames:
        id = working.submit("echo", 1)
        seen = frames.until("completed", id)
    assert {f["event"] for f in seen} == {"completed"}


def test_a_client_is_told_of_events_that_are_gone(working: Served) -> None:
    make_queue_known(working)
    with following(working) as frames:
        id = working.submit("echo", 1)
        last = frames.until("completed", id)[-1]["id"]
    queue, _, _ = last.partition("=")
    with following(working, last=f"{queue}=0") as frames:
        assert frames.next()["event"] == "gap"


def test_an_event_id_of_another_stream_is_refused(served: Served) -> None:
    answer = served.client.get("/api/events", headers={"Last-Event-ID": "nonsense"})
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:nexq:problem:bad-event-id"


def test_progress_and_log_of_a_job_are_told_as_they_come(working: Served) -> None:
    make_queue_known(working)
    id = working.submit("report", {"steps": 4}, schedule_in=0.5)
    with following(working, f"/api/jobs/{id}/events") as frames:
        seen = frames.until("completed", id)
    lines = [line for f in seen if f["event"] == "log" for line in f["data"]["lines"]]
    assert [(line["n"], line["text"]) for line in lines] == [(n + 1, f"step {n}") for n in range(4)]
    told = [f["data"]["fraction"] for f in seen if f["event"] == "progress"]
    assert told == sorted(told) and len(told) >= 2 and told[-1] == 1.0
    assert not [f for f in seen if f["event"] == "journal"]
    shown = working.client.get(f"/api/jobs/{id}").json()
    assert shown["progress"]["text"] == "4 of 4" and shown["log_total"] == 4
    assert shown["log"] == lines


def test_a_client_that_comes_back_is_told_the_lines_it_missed(working: Served) -> None:
    make_queue_known(working)
    id = working.submit("report", {"steps": 3}, schedule_in=0.5)
    with following(working, f"/api/jobs/{id}/events") as frames:
        while (frame := frames.next())["event"] != "log":
            pass
    had = frame["data"]["lines"][-1]["n"]
    working.until(id, "completed")
    until_sync(lambda: working.client.get(f"/api/jobs/{id}").json()["log_total"] == 3, 10, what="all lines")
    with following(working, f"/api/jobs/{id}/events", last=frame["id"]) as frames:
        missed: list[int] = []
        while len(missed) < 3 - had:
            frame = frames.next()
            missed += [line["n"] for line in frame["data"].get("lines", ())]
    assert missed == list(range(had + 1, 4))


def test_the_stream_of_all_moves_leaves_reports_out_unless_asked(working: Served) -> None:
    make_queue_known(working)
    with following(working) as frames:
        id = working.submit("report", {"steps": 2})
        seen = frames.until("completed", id)
    assert {f["event"] for f in seen} == {"ready", "running", "completed"}
    with following(working, "/api/events?event=journal,completed") as frames:
        id = working.submit("report", {"steps": 2})
        seen = frames.until("completed", id)
    assert "journal" in {f["event"] for f in seen if id in f["data"]["ids"]}
