"""`/metrics` of the server: what it tells, to whom, in which form, and how many series it may make."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from nexq.metrics.names import BUILD, OTHER, SERVER
from nexq.metrics.queues import Scraper, Snapshot, bounded, families
from nexq.metrics.text import exposition
from nexq.states import JobState
from nexq.store import QueueView
from nexq.web.auth import Guard
from nexq.web.metrics import RULE, opened
from nexq.web.principal import Scope
from nexq.web.rules import API
from tests.support.servers import Server
from tests.support.waiting import until_sync
from tests.web.support import Served, make_app

OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for f in parse_text(text) for s in f.samples}


def scrape(client: httpx.Client) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    return samples(answer.text)


def of(name: str, **labels: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    return name, tuple(sorted(labels.items()))


@pytest.fixture
def idle(valkey: Server) -> Iterator[Served]:
    with Served(make_app(valkey.url)) as served:
        yield served


def test_jobs_by_queue_and_state(idle: Served) -> None:
    for _ in range(3):
        idle.submit("echo", {})
    idle.submit("echo", {}, schedule_in=600)
    idle.submit("send_email", {"to": "a@b.c"})
    idle.client.post("/api/queues/mail/pause")

    found = scrape(idle.client)

    assert found[of("nexq_queue_jobs", queue="default", state="ready")] == 3
    assert found[of("nexq_queue_jobs", queue="default", state="scheduled")] == 1
    assert found[of("nexq_queue_jobs", queue="mail", state="ready")] == 1
    assert found[of("nexq_jobs_enqueued_total", queue="default")] == 4
    assert found[of("nexq_queue_paused", queue="mail")] == 1
    assert found[of("nexq_queue_paused", queue="default")] == 0
    assert found[of("nexq_queue_oldest_seconds", queue="default")] >= 0
    # Nobody has run a job yet: one worker is to find out how fast they are; for a paused queue none.
    assert found[of("nexq_desired_workers", queue="default")] == 1
    assert found[of("nexq_desired_workers", queue="mail")] == 0
    assert found[of("nexq_workers", state="running")] == 0


def test_what_workers_did(working: Served) -> None:
    client = working.client
    working.until(working.submit("echo", {"value": 1}), "completed")
    working.until(working.submit("fail", {"why": "on purpose"}), "dead")
    # The figures may be a second old.
    until_sync(lambda: of("nexq_dead_letters", queue="default") in scrape(client), 5.0)
    found = until_sync(
        lambda: (s := scrape(client))[of("nexq_dead_letters", queue="default")] >= 1 and s, 10.0, what="fresh figures"
    )
    assert found[of("nexq_jobs_finished_total", queue="default", outcome="completed")] >= 1
    assert found[of("nexq_jobs_finished_total", queue="default", outcome="dead")] >= 1
    assert found[of("nexq_jobs_finished_total", queue="default", outcome="cancelled")] == 0
    assert found[of("nexq_job_retries_total", queue="default")] == 0
    assert found[of("nexq_leases_lost_total", queue="default")] == 0
    assert found[of("nexq_workers", state="running")] == 1
    assert found[of("nexq_worker_slots", state="free")] + found[of("nexq_worker_slots", state="busy")] == 10


def test_every_name_is_in_the_table_and_the_other_way_round(idle: Served) -> None:
    idle.submit("echo", {})
    names = {f.name for f in parse_openmetrics(idle.client.get("/metrics", headers=OPENMETRICS).text)}
    assert names == {*SERVER, BUILD}


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        (OPENMETRICS["Accept"], "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        ("", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_form_is_the_one_asked_for(idle: Served, accept: str, type: str) -> None:
    answer = idle.client.get("/metrics", headers={"Accept": accept})
    assert answer.headers["content-type"].startswith(type)
    assert answer.text.endswith("# EOF\n") == type.startswith("application/openmetrics")
    assert "nexq_build_info{" in answer.text


def test_a_server_without_queues(idle: Served) -> None:
    found = scrape(idle.client)
    assert of("nexq_workers", state="lost") in found
    assert not any(name == "nexq_queue_jobs" for name, _ in found)


# -- Who may look


@pytest.fixture
def guarded(valkey: Server) -> Iterator[Served]:
    app = make_app(valkey.url)
    with Served(app, gate=Guard(app, auth=True)) as served:
        yield served


def test_with_auth_a_token_with_scope_read_is_needed(guarded: Served) -> None:
    async def token() -> str:
        return (await (await guarded.app.store()).books.create_token("prometheus", "read"))[1]

    assert guarded.client.get("/metrics").status_code == 401
    text = guarded.call(token)
    assert guarded.client.get("/metrics", headers={"Authorization": f"Bearer {text}"}).status_code == 200


def test_a_token_of_some_queues_sees_those(guarded: Served) -> None:
    async def prepare() -> str:
        store = await guarded.app.store()
        for queue in ("mail", "secret"):
            await store.members.register(queue)
        return (await store.books.create_token("mailer", "read", ("mail",)))[1]

    text = guarded.call(prepare)
    shown = guarded.client.get("/metrics", headers={"Authorization": f"Bearer {text}"}).text
    assert set(re.findall(r'queue="([^"]*)"', shown)) == {"mail"}


def test_a_setting_opens_it(valkey: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEXQ_METRICS_PUBLIC", "1")
    app = make_app(valkey.url)
    with Served(app, gate=Guard(app, auth=True)) as served:
        assert served.client.get("/metrics").status_code == 200
        assert served.client.get("/api/queues").status_code == 401


def test_the_setting_opens_nothing_else() -> None:
    before, after = opened(API, False), opened(API, True)
    assert [r.path for r, s in zip(before, after, strict=True) if r is not s] == ["/metrics"]
    assert RULE.scope is Scope.READ


# -- How many series, how many reads


def queue(name: str, ready: int, **totals: int) -> QueueView:
    counts = dict.fromkeys(JobState, 0) | {JobState.READY: ready, JobState.COMPLETED: 1_000_000 - ready}
    return QueueView(name, 0.0, counts, float(ready), None, totals)


def test_the_small_queues_are_summed_when_there_are_too_many() -> None:
    queues = [queue(f"q{n:04}", ready=n, enqueued=n) for n in range(5000)]
    snapshot = Snapshot(queues, [], {q.name: 1 for q in queues})

    text, _ = exposition(families(snapshot))
    found = samples(text.decode())

    shown = {labels["queue"] for (_, pairs) in found if "queue" in (labels := dict(pairs))}
    assert len(shown) == 1000 and OTHER in shown
    assert {"q4999", "q4001"} <= shown and "q4000" not in shown
    assert found[of("nexq_queue_jobs", queue=OTHER, state="ready")] == sum(range(4001))
    assert found[of("nexq_jobs_enqueued_total", queue=OTHER)] == sum(range(4001))
    assert found[of("nexq_queue_oldest_seconds", queue=OTHER)] == 4000
    assert found[of("nexq_desired_workers", queue=OTHER)] == 4001
    assert len(found) < 20_000


def test_a_queue_that_is_called_other() -> None:
    many = [queue("other", ready=10**6), queue("a", 5), queue("b", 4), queue("c", 3)]
    shown, rest = bounded(Snapshot(many, [], {}), most=3)
    assert ([q.name for q in shown], {q.name for q in rest}) == (["a", "b"], {"other", "c"})
    # Where nothing is summed it is a queue like any other.
    assert bounded(Snapshot(many, [], {}), most=4) == (many, [])


class _Views:
    def __init__(self) -> None:
        self.reads = 0

    async def directory(self) -> Any:
        self.reads += 1
        from nexq.store import Directory

        return Directory(0.0, ["a"])

    async def queue(self, name: str) -> QueueView:
        return queue(name, 1)


class _Store:
    def __init__(self) -> None:
        self.views = _Views()


async def test_many_who_look_at_once_are_one_read() -> None:
    import asyncio

    store: Any = _Store()
    scraper = Scraper(store)
    first = await asyncio.gather(*(scraper.snapshot() for _ in range(50)))
    again = await scraper.snapshot()
    assert store.views.reads == 1
    assert all(one is again for one in first)


async def test_one_who_goes_away_does_not_spoil_it_for_the_others() -> None:
    import asyncio

    scraper = Scraper(_Store())  # type: ignore[arg-type]
    gone = asyncio.create_task(scraper.snapshot())
    stays = asyncio.create_task(scraper.snapshot())
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).queues[0].name == "a"
