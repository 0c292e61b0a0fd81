"""The bridge, from a real RabbitMQ into a real Valkey."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator

import pytest

from nexq import Nexq
from nexq.bridges.rabbitmq import Bridge
from nexq.states import JobState
from nexq.store import Keep
from tests.bridges.conftest import Bridging, body, jobs, remembered, settled
from tests.support.proxy import FaultProxy
from tests.support.rabbitmq import Rabbit
from tests.support.servers import Server, valkey_binary
from tests.support.waiting import until


async def test_messages_become_jobs_with_all_that_they_say(rabbit: Rabbit, app: Nexq, bridging: Bridging) -> None:
    queue = await rabbit.queue()
    await rabbit.publish(queue, body(1, priority=8), message_id="one")
    await rabbit.publish(queue, body(2, schedule_in=600, max_attempts=2), message_id="two", priority=3)
    await rabbit.publish(queue, b'{"n": 3}', message_id="three", headers={"x-nexq-type": "u"}, expiration="600000")
    async with bridging(queue) as bridge:
        await settled(bridge, 3)
    one, three, two = await jobs(app)
    assert (one.id, one.spec.type, one.payload, one.spec.priority) == ("one", "t", {"n": 1}, 8)
    assert (two.state, two.spec.priority, two.spec.options) == (JobState.SCHEDULED, 3, {"max_attempts": 2})
    assert (three.spec.type, three.payload, three.spec.options) == ("u", {"n": 3}, {"expires_s": 600.0})
    assert await rabbit.waiting(queue) == 0
    assert bridge.tally.taken == {"enqueued": 3, "repeated": 0, "conflict": 0}


async def test_thousands_of_messages_in_order_through_a_small_prefetch(
    rabbit: Rabbit, app: Nexq, bridging: Bridging
) -> None:
    queue = await rabbit.queue()
    await rabbit.publish_many(queue, ((f"{n:05}", body(n)) for n in range(3000)))
    async with bridging(queue, prefetch=70) as bridge:
        await settled(bridge, 3000)
        assert bridge.tally.taken["enqueued"] == 3000
    found = await (await app.store()).backend.command("ZRANGE", "nexq:{default}:ready:5", 0, -1)  # type: ignore[attr-defined]
    assert [id.decode() for id in found] == [f"{n:05}" for n in range(3000)]
    assert await remembered(app) == []
    assert await rabbit.waiting(queue) == 0


async def test_a_body_larger_than_a_frame_of_the_broker(rabbit: Rabbit, app: Nexq, bridging: Bridging) -> None:
    queue = await rabbit.queue()
    text = "ü" * 120_000
    await rabbit.publish(queue, json.dumps({"type": "t", "payload": text}, ensure_ascii=False).encode())
    async with bridging(queue) as bridge:
        await settled(bridge, 1)
    assert [job.payload for job in await jobs(app)] == [text]


async def test_a_handler_known_here_checks_the_payload_and_gives_the_defaults(
    rabbit: Rabbit, app: Nexq, bridging: Bridging
) -> None:
    @app.handler("send", queue="mail", priority="high")
    async def send(to: str) -> None: ...

    queue, dead = await rabbit.dead_lettered()
    await rabbit.publish(queue, b'{"type":"send","payload":{"to":"a@b.c"}}')
    await rabbit.publish(queue, b'{"type":"send","payload":{"too":"a@b.c"}}', message_id="wrong")
    await rabbit.publish(queue, b'{"type":"send","payload":{"to":"a@b.c"},"queue":"bulk"}')
    async with bridging(queue) as bridge:
        await settled(bridge, 3)
        assert bridge.tally.rejected["payload"] == 1
    assert [job.spec.priority for job in await jobs(app, "mail")] == [9]
    assert len(await jobs(app, "bulk")) == 1
    message = await rabbit.get(dead)
    assert message is not None and message.header.properties.message_id == "wrong"


async def test_a_handler_that_a_worker_has_published_gives_the_queue(
    rabbit: Rabbit, valkey: Server, app: Nexq, bridging: Bridging
) -> None:
    other = Nexq(valkey.url, allow_unsafe=True)

    @other.handler("send", queue="mail", priority=2)
    async def send(to: str) -> str:
        return to

    queue = await rabbit.queue()
    async with other, other.worker(), bridging(queue) as bridge:

        async def published() -> bool:
            return "send" in (await (await app.store()).views.directory()).handlers

        await until(published)
        await rabbit.publish(queue, b'{"type":"send","payload":{"to":"a@b.c"}}', message_id="m")
        await settled(bridge, 1)
        job = app.job("m", "mail")
        assert await job.result(timeout=10) == "a@b.c"
        assert (await job.refresh()).spec.priority == 2


async def test_bad_messages_go_to_the_dead_letter_exchange_with_a_line_each_and_good_ones_go_on(
    rabbit: Rabbit, app: Nexq, bridging: Bridging, caplog: pytest.LogCaptureFixture
) -> None:
    queue, dead = await rabbit.dead_lettered()
    await rabbit.publish(queue, body(1))
    await rabbit.publish(queue, b"hello", message_id="bad-1")
    await rabbit.publish(queue, b'{"type":"t","nope":1}')
    await rabbit.publish(queue, body(2))
    await rabbit.publish(queue, body(unique_key="u" * 300))
    await rabbit.publish(queue, body(schedule_in=1, run_at="2030-01-01T00:00:00Z"))
    await rabbit.publish(queue, body(priority="urgent"))
    await rabbit.publish(queue, b'{"type":"nexq:webhook"}')
    await rabbit.publish(queue, b'{"type":"t","payload":"' + b"x" * (app.payload_limit + 100_000) + b'"}')
    await rabbit.publish(queue, b'{"type":"t","payload":"' + b"x" * app.payload_limit + b'"}')
    await rabbit.publish(queue, body(3))
    async with bridging(queue) as bridge:
        await settled(bridge, 11)
        assert {k: v for k, v in bridge.tally.rejected.items() if v} == {"body": 1, "field": 5, "size": 1, "payload": 1}
    assert sorted(job.payload["n"] for job in await jobs(app)) == [1, 2, 3]
    await rabbit.until_empty(queue)

    async def all_there() -> bool:
        return await rabbit.waiting(dead) == 8

    await until(all_there, what="the dead letters")
    lines = [r.getMessage() for r in caplog.records if "rejected message" in r.getMessage()]
    assert len(lines) == 8
    assert lines[0].startswith(f"rejected message 'bad-1' of '{queue}': reason=body: the body is not JSON")


async def test_a_flood_of_bad_messages_is_counted_not_logged(
    rabbit: Rabbit, bridging: Bridging, caplog: pytest.LogCaptureFixture
) -> None:
    queue = await rabbit.queue()
    await rabbit.publish_many(queue, ((None, b"bad") for _ in range(200)))
    async with bridging(queue) as bridge:
        await settled(bridge, 200)
        assert bridge.tally.rejected["body"] == 200
    assert sum("rejected message" in r.getMessage() for r in caplog.records) <= 20


async def test_a_type_that_nobody_knows_is_taken_with_one_warning_or_rejected_where_the_app_is_strict(
    rabbit: Rabbit, app: Nexq, valkey: Server, amqp: str, bridging: Bridging, caplog: pytest.LogCaptureFixture
) -> None:
    queue = await rabbit.queue()
    await rabbit.publish_many(queue, ((None, body(n)) for n in range(20)))
    async with bridging(queue) as bridge:
        await settled(bridge, 20)
        assert bridge.tally.taken["enqueued"] == 20
    assert sum("No handler is known for type 't'" in r.getMessage() for r in caplog.records) == 1

    app.strict = True
    await rabbit.publish(queue, body())
    async with bridging(queue) as bridge:
        await settled(bridge, 1)
        assert bridge.tally.rejected["type"] == 1


async def test_one_whose_unique_key_is_held_is_acknowledged(rabbit: Rabbit, app: Nexq, bridging: Bridging) -> None:
    queue = await rabbit.queue()
    for _ in range(2):
        await rabbit.publish(queue, body(unique_key="u"))
    async with bridging(queue) as bridge:
        await settled(bridge, 2)
        assert bridge.tally.taken == {"enqueued": 1, "repeated": 0, "conflict": 1}
    assert len(await jobs(app)) == 1
    await rabbit.until_empty(queue)


# -- Once


async def prune(app: Nexq) -> None:
    """Drop everything that has ended, and all tombstones, as if minutes had gone by."""
    store = (await app.store()).clone()
    try:
        for minutes in (2, 4):
            store.set_clock(str(time.time() * 1000 + minutes * 60_000))
            await store.moves.tidy("default", Keep(completed_s=0, dead_s=0).pack())
    finally:
        await store.aclose()


async def test_a_message_published_twice_is_one_job(rabbit: Rabbit, app: Nexq, bridging: Bridging) -> None:
    queue = await rabbit.queue()
    for id in ("a", "b", "a", "a"):
        await rabbit.publish(queue, body(), message_id=id)
    async with bridging(queue) as bridge:
        await settled(bridge, 4)
        assert bridge.tally.taken == {"enqueued": 2, "repeated": 2, "conflict": 0}
    assert [job.id for job in await jobs(app)] == ["a", "b"]
    assert await remembered(app) == ["a"], "one that came twice is remembered a minute longer"


async def test_another_message_under_the_same_id_is_not_lost_in_silence(
    rabbit: Rabbit, app: Nexq, bridging: Bridging, caplog: pytest.LogCaptureFixture
) -> None:
    queue, dead = await rabbit.dead_lettered()
    await rabbit.publish(queue, body(1), message_id="a")
    await rabbit.publish(queue, body(2), message_id="a")
    async with bridging(queue) as bridge:
        await settled(bridge, 2)
        assert bridge.tally.rejected["reused"] == 1
    message = await rabbit.get(dead)
    assert message is not None and message.body == body(2)
    assert "its id was used before: job 'a' in queue 'default' has another type or payload" in caplog.text


async def test_messages_that_are_alike_and_have_no_id_are_as_many_jobs(
    rabbit: Rabbit, app: Nexq, bridging: Bridging
) -> None:
    queue = await rabbit.queue()
    await rabbit.publish_many(queue, ((None, body()) for _ in range(300)))
    async with bridging(queue, prefetch=50) as bridge:
        await settled(bridge, 300)
    assert len(await jobs(app)) == 300
    assert await remembered(app) == []


class Deaf:
    """A broker that hears no acknowledgement: what a crash right before them leaves behind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def __enter__(self) -> None:
        from nexq.bridges.rabbitmq.session import Session

        async def lost(self: Session, *_: object) -> None:
            raise ConnectionAbortedError("cut before the acknowledgement")

        self.monkeypatch.setattr(Session, "settle", lost)

    def __exit__(self, *exc: object) -> None:
        self.monkeypatch.undo()


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deaf]:
    yield Deaf(monkeypatch)


async def crash(app: Nexq, amqp: str, queue: str, count: int, deaf: Deaf) -> None:
    """A bridge takes messages, makes their jobs, and dies before it acknowledges them."""
    with deaf:
        bridge = Bridge(app, amqp=amqp, amqp_queue=queue, prefetch=count)
        running = asyncio.create_task(bridge.run())
        with pytest.raises(ConnectionAbortedError):
            await asyncio.wait_for(running, 20)


@pytest.mark.parametrize("with_ids", [True, False])
async def test_what_was_delivered_again_long_after_its_job_was_pruned_makes_no_second_job(
    rabbit: Rabbit, app: Nexq, amqp: str, bridging: Bridging, deaf: Deaf, with_ids: bool
) -> None:
    queue = await rabbit.queue()
    await rabbit.publish_many(queue, ((f"m{n}" if with_ids else None, body(n)) for n in range(20)))
    await crash(app, amqp, queue, 20, deaf)
    store = await app.store()
    before = await jobs(app)
    for job in before:
        await store.moves.cancel("default", job.id)
    await prune(app)
    assert await jobs(app) == []
    assert len(await remembered(app)) == len(before) > 0
    async with bridging(queue) as bridge:
        await settled(bridge, 20)
        assert bridge.tally.taken["repeated"] == len(before)
    assert len(await jobs(app)) == 20 - len(before)
    await rabbit.until_empty(queue)


async def test_of_messages_that_are_alike_and_have_no_id_none_is_lost(
    rabbit: Rabbit, app: Nexq, amqp: str, bridging: Bridging, deaf: Deaf
) -> None:
    queue = await rabbit.queue()
    await rabbit.publish_many(queue, ((None, body()) for _ in range(20)))
    await crash(app, amqp, queue, 5, deaf)
    first = len(await jobs(app))
    async with bridging(queue, prefetch=5) as bridge:
        await settled(bridge, 20)
    # Which of them had become jobs nobody can tell: at least one job each.
    assert 20 <= len(await jobs(app)) <= 20 + first


async def test_nothing_is_acknowledged_before_it_is_committed(rabbit: Rabbit, amqp: str) -> None:
    queue = await rabbit.queue()
    server = Server(valkey_binary(), tcp=True).start()
    try:
        with FaultProxy(("127.0.0.1", server.port)) as proxy:
            app = Nexq(proxy.url, allow_unsafe=True, patience=1)
            bridge = Bridge(app, amqp=amqp, amqp_queue=queue, prefetch=10)
            running = asyncio.create_task(bridge.run())
            await until(lambda: bridge.tally.connected)
            silent = [True]
            proxy.drop_replies(when=lambda request: silent[0] and any(b'{"n":' in part for part in request))
            await rabbit.publish_many(queue, ((f"m{n}", body(n)) for n in range(30)))
            await until(lambda: bridge.tally.failures >= 2, 20)
            assert "'enqueue'" in await bridge.why_not_ready()
            assert await rabbit.waiting(queue) == 20, "prefetch bounds what is taken"
            assert bridge.tally.taken["enqueued"] == 0
            silent.clear()
            silent.append(False)
            await settled(bridge, 30)
            assert await bridge.why_not_ready() == ""
            assert len(await jobs(app)) == 30
            bridge.stop()
            await asyncio.wait_for(running, 20)
            await app.aclose()
    finally:
        server.stop()
