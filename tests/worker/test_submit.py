"""Submitting jobs: options, what is refused, what is shared, and what happens when the server is away."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest

from nexq import JobState, Nexq
from nexq.errors import (
    BackendUnavailable,
    InvalidJob,
    InvalidName,
    InvalidPayload,
    OutcomeUnknown,
    PayloadTooLarge,
    UnknownHandler,
)
from tests.support.proxy import FaultProxy
from tests.support.servers import Server, free_port, valkey_binary
from tests.support.waiting import until
from tests.worker.conftest import MakeApp
from tests.worker.work import SOON_S, add, with_handler, working

NAN = float("nan")


@pytest.fixture
def app(make_app: MakeApp) -> Nexq:
    """An app with one handler, on the real Valkey."""
    return with_handler(make_app())


async def test_a_job_goes_to_its_handlers_queue_and_priority_unless_told_otherwise(app: Nexq) -> None:
    record = await (await add(app).enqueue(1)).refresh()
    assert (record.queue, record.spec.priority, record.state) == ("sums", 9, JobState.READY)
    by_name = await app.enqueue("add", {"a": 1})
    assert (by_name.queue, (await by_name.refresh()).spec.priority, by_name.warning) == ("sums", 9, "")
    other = await app.enqueue("add", {"a": 1}, queue="mail", priority="low", max_attempts=2, timeout=timedelta(hours=1))
    record = await other.refresh()
    assert (record.queue, record.spec.priority) == ("mail", 1)
    assert record.spec.options == {"max_attempts": 2, "timeout_s": 3600.0}


async def test_tags_go_with_the_job(app: Nexq) -> None:
    job = await add(app).options(tags=["eu", "a/b", "eu"], timeout=3).enqueue(1)
    assert (await job.refresh()).spec.tags == ("eu", "a/b")
    with pytest.raises(InvalidName, match="not a tag"):
        await app.enqueue("add", {"a": 1}, tags=["two words"])
    for bad in ("eu", 17, [f"t{n}" for n in range(21)]):
        with pytest.raises(InvalidJob):
            await app.enqueue("add", {"a": 1}, tags=bad)  # type: ignore[arg-type]


async def test_delays_and_points_in_time(app: Nexq) -> None:
    now_ms = time.time() * 1000
    at = datetime.now(timezone(timedelta(hours=5))) + timedelta(minutes=2)
    for options, due_ms in [
        ({"delay": 60}, now_ms + 60_000),
        ({"delay": timedelta(days=1)}, now_ms + 86_400_000),
        ({"run_at": at}, now_ms + 120_000),
    ]:
        record = await (await add(app).options(**options).enqueue(1)).refresh()
        assert record.state is JobState.SCHEDULED
        assert abs(record.score_ms - due_ms) < 5_000
    past = await add(app).options(run_at=datetime(1970, 1, 1, tzinfo=UTC)).enqueue(1)
    assert await past.state() is JobState.READY
    assert await (await add(app).options(delay=0).enqueue(1)).state() is JobState.READY


async def test_big_integers_are_kept(app: Nexq) -> None:
    job = await add(app).enqueue(2**80)
    assert (await job.refresh()).spec.payload == b'{"a":%d}' % 2**80


async def test_the_payload_limit(make_app: MakeApp) -> None:
    app = make_app(payload_limit=100)

    @app.handler
    async def say(word: str) -> None: ...

    room = 100 - len(b'{"word":""}')
    await say.enqueue("x" * room)
    for call in (say.enqueue("x" * (room + 1)), app.enqueue("say", {"word": "x" * (room + 1)})):
        with pytest.raises(PayloadTooLarge) as caught:
            await call
        assert (caught.value.size, caught.value.limit) == (101, 100)


async def test_an_id_of_ones_own_is_taken_once(app: Nexq) -> None:
    first = await add(app).options(id="mine").enqueue(1)
    again = await add(app).options(id="mine").enqueue(2)
    assert (first.duplicate, again.duplicate) == (False, True)
    assert first == again
    assert (await again.refresh()).payload == {"a": 1}


async def test_a_unique_job_gives_its_holder(app: Nexq) -> None:
    unique = add(app).options(unique="key", delay=60)
    first, second = await unique.enqueue(1), await unique.enqueue(2)
    assert (second.id, second.duplicate) == (first.id, True)
    await first.cancel()
    third = await unique.enqueue(3)
    assert (third.id == first.id, third.duplicate) == (False, False)


async def test_many_jobs_in_order(app: Nexq) -> None:
    calls = [add(app).options(unique="u" if n in (3, 700) else None).bind(n) for n in range(1200)]
    jobs = await app.enqueue_many(iter(calls))
    assert len(jobs) == 1200
    assert [n for n, j in enumerate(jobs) if j.duplicate] == [700]
    assert jobs[700].id == jobs[3].id
    for n in (0, 499, 500, 1199):
        assert (await jobs[n].refresh()).payload == {"a": n}
    assert await app.enqueue_many([]) == []


async def test_concurrent_enqueues_share_round_trips(app: Nexq, valkey: Server) -> None:
    def calls() -> int:
        info = valkey.wire.call("INFO", "commandstats").decode()
        return sum(int(line.split("calls=")[1].split(",")[0]) for line in info.splitlines() if "_evalsha:" in line)

    await add(app).enqueue(0)
    before = calls()
    jobs = await asyncio.gather(*(add(app).enqueue(n) for n in range(400)))
    assert len({j.id for j in jobs}) == 400
    assert calls() - before <= 3


async def test_a_cancelled_enqueue_leaves_those_beside_it_alone(app: Nexq) -> None:
    """The first caller carries the others' jobs too: cancelled at any moment, theirs arrive all the same."""
    await add(app).enqueue(0)
    for turns in range(6):
        tasks = [asyncio.create_task(add(app).enqueue(n)) for n in range(4)]
        for _ in range(turns):
            await asyncio.sleep(0)
        tasks[0].cancel()
        others = await asyncio.wait_for(asyncio.gather(*tasks[1:]), SOON_S)
        assert [(await j.refresh()).payload for j in others] == [{"a": 1}, {"a": 2}, {"a": 3}]
        # And whoever comes later does not join a call that nobody makes.
        await asyncio.wait_for(add(app).enqueue(9), SOON_S)
        await asyncio.gather(tasks[0], return_exceptions=True)


async def test_unknown_types_are_taken_with_a_warning_that_names_near_ones(
    app: Nexq, caplog: pytest.LogCaptureFixture
) -> None:
    job = await app.enqueue("ad", {"a": 1})
    assert (job.queue, await job.state()) == ("default", JobState.READY)
    assert "'ad'" in job.warning
    assert "Did you mean 'add'?" in job.warning
    again = await app.enqueue("ad", {"a": 2})
    assert again.warning == job.warning
    assert caplog.text.count(job.warning) == 1, "once in the log, with each job"


async def test_strict_mode_refuses_unknown_types(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = with_handler(make_app(strict=True))
    with pytest.raises(UnknownHandler) as caught:
        await app.enqueue("addd", {"a": 1})
    assert caught.value.near == ["add"]
    monkeypatch.setenv("NEXQ_STRICT", "1")
    with pytest.raises(UnknownHandler):
        await make_app().enqueue("nothing like it")


async def test_handlers_that_a_worker_published_are_known(make_app: MakeApp) -> None:
    worker_app, web_app = with_handler(make_app()), make_app(strict=True)

    async def published() -> bool:
        return "add" in (await (await web_app.store()).views.directory()).handlers

    async with working(worker_app):
        await until(published, SOON_S)
        job = await web_app.enqueue("add", {"a": 1, "b": 0.5})
        assert (job.queue, job.warning) == ("sums", "")
        assert await job.result(SOON_S) == 1.5
        assert (await job.refresh()).spec.priority == 9
        with pytest.raises(InvalidPayload, match="/a"):
            await web_app.enqueue("add", {"a": "one", "b": 0.5})


async def test_namespaces_do_not_see_each_other(make_app: MakeApp) -> None:
    app = with_handler(make_app())
    other = with_handler(make_app(namespace=app.namespace + "x"))
    job = await add(app).options(id="same").enqueue(1)
    assert not (await add(other).options(id="same").enqueue(2)).duplicate
    async with working(other):
        assert await other.job("same", "sums").result(SOON_S) == 2
    assert await job.state() is JobState.READY
    assert (await (await app.store()).views.directory()).handlers == {}


async def test_a_server_that_is_down_is_waited_for_and_then_named(make_app: MakeApp) -> None:
    app = with_handler(make_app(f"redis://127.0.0.1:{free_port()}", patience=0.3))
    began = time.monotonic()
    with pytest.raises(BackendUnavailable, match=r"127\.0\.0\.1"):
        await add(app).enqueue(1)
    assert 0.1 < time.monotonic() - began < 5


async def test_a_server_that_comes_up_in_time_is_no_error(make_app: MakeApp) -> None:
    server = Server(valkey_binary())
    app = with_handler(make_app(server.url, patience=20))
    try:
        task = asyncio.create_task(add(app).enqueue(1))
        await asyncio.to_thread(server.start)
        assert await (await asyncio.wait_for(task, 20)).state() is JobState.READY
        await app.aclose()
    finally:
        server.stop()


async def test_when_the_answer_is_lost_the_outcome_is_unknown_and_named(make_app: MakeApp, valkey: Server) -> None:
    with FaultProxy(valkey.address) as proxy:
        app = with_handler(make_app(proxy.url, patience=0.3))
        first = await add(app).enqueue(0)
        proxy.drop_replies(command=b"EVALSHA")
        with pytest.raises(OutcomeUnknown) as caught:
            await add(app).options(id="lost-one").enqueue(1)
        assert caught.value.ids == ["lost-one"]
        proxy.heal()
        # The same call again is safe, and tells that it had happened.
        assert (await add(app).options(id="lost-one").enqueue(1)).duplicate
        assert await first.state() is JobState.READY
        await app.aclose()


async def test_a_lost_answer_is_asked_for_again(make_app: MakeApp, valkey: Server) -> None:
    with FaultProxy(valkey.address) as proxy:
        app = with_handler(make_app(proxy.url))
        await add(app).enqueue(0)
        proxy.drop_replies(every=2, command=b"EVALSHA")
        jobs = [await add(app).enqueue(n) for n in range(20)]
        proxy.heal()
        assert not any(j.duplicate for j in jobs)
        view = await (await app.store()).views.queue("sums")
        assert view.counts[JobState.READY] == 21
        await app.aclose()
