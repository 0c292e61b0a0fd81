"""How jobs end, told to a real RabbitMQ."""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nexq import Nexq, Retry
from nexq.bridges.rabbitmq import Publisher, Refused
from nexq.errors import ConfigError
from tests.bridges.relay import Relay
from tests.cli.conftest import Cli, cli
from tests.support.rabbitmq import Rabbit
from tests.support.waiting import until, until_sync

__all__ = ["cli"]


@pytest.fixture
def shop(app: Nexq) -> Nexq:
    """An app with a handler that ends well and one that does not."""

    @app.handler("double")
    async def double(n: int) -> int:
        return 2 * n

    @app.handler("fail", retry=Retry(max_attempts=1))
    async def fail() -> None:
        raise ValueError("on purpose")

    return app


@asynccontextmanager
async def publishing(app: Nexq, **how: Any) -> AsyncIterator[Publisher]:
    publisher = Publisher(app, **how)
    running = asyncio.create_task(publisher.run())
    await until(lambda: publisher._renew_mono or running.done())
    try:
        yield publisher
    finally:
        publisher.stop()
        await asyncio.wait_for(running, 20)


async def told(rabbit: Rabbit, queue: str, count: int) -> list[dict[str, Any]]:
    """The next bodies of a queue."""
    found: list[dict[str, Any]] = []

    async def enough() -> bool:
        message = await rabbit.get(queue)
        if message is not None:
            assert message.header.properties.content_type == "application/json"
            assert message.header.properties.delivery_mode == 2
            found.append(json.loads(message.body))
        return len(found) == count

    await until(enough, 20, f"{count} messages; there are {found}")
    return found


async def test_ends_are_told_with_result_and_error(rabbit: Rabbit, shop: Nexq, amqp: str) -> None:
    queue = await rabbit.queue()
    async with shop.worker():
        before = await shop.enqueue("double", {"n": 1})
        await before.result(10)
        async with publishing(shop, amqp=amqp, amqp_queue=queue):
            good = await shop.enqueue("double", {"n": 21})
            bad = await shop.enqueue("fail")
            bodies = {body["id"]: body for body in await told(rabbit, queue, 2)}
    assert set(bodies) == {good.id, bad.id}, "what had ended before is not told"
    assert (bodies[good.id]["state"], bodies[good.id]["result"]) == ("completed", 42)
    assert (bodies[bad.id]["state"], bodies[bad.id]["error"]) == ("dead", "ValueError: on purpose")
    assert await rabbit.waiting(queue) == 0


async def test_an_exchange_gets_queue_and_state_as_the_routing_key(rabbit: Rabbit, shop: Nexq, amqp: str) -> None:
    exchange, dead, all_of_new = f"nexq-test-{secrets.token_hex(6)}", await rabbit.queue(), await rabbit.queue()
    await rabbit.channel.exchange_declare(exchange, exchange_type="topic", durable=True)
    try:
        await rabbit.channel.queue_bind(dead, exchange, "*.dead")
        await rabbit.channel.queue_bind(all_of_new, exchange, "new.#")
        async with publishing(shop, amqp=amqp, exchange=exchange), shop.worker(queues=["default", "new"]):
            bad = await shop.enqueue("fail")
            new = await shop.enqueue("double", {"n": 1}, queue="new")
            assert [body["id"] for body in await told(rabbit, dead, 1)] == [bad.id]
            assert [body["id"] for body in await told(rabbit, all_of_new, 1)] == [new.id]
    finally:
        await rabbit.channel.exchange_delete(exchange)


async def test_only_the_queues_and_states_that_are_asked_for(rabbit: Rabbit, shop: Nexq, amqp: str) -> None:
    queue = await rabbit.queue()
    async with publishing(shop, amqp=amqp, amqp_queue=queue, queues=["mine"], states=["cancelled"]):
        for where in ("mine", "theirs"):
            await (await shop.enqueue("double", {"n": 1}, queue=where)).cancel()
        (body,) = await told(rabbit, queue, 1)
        assert (body["queue"], body["state"]) == ("mine", "cancelled")


async def test_what_ends_while_the_broker_is_away_is_told_when_it_is_back(rabbit: Rabbit, shop: Nexq) -> None:
    queue = await rabbit.queue()
    async with Relay() as relay, shop.worker():
        url = f"amqp://guest:guest@127.0.0.1:{relay.port}/"
        async with publishing(shop, amqp=url, amqp_queue=queue) as publisher:
            ids = set()
            for n in range(3):
                job = await shop.enqueue("double", {"n": n})
                ids.add(job.id)
                await job.result(10)
                relay.cut()
            # A connection that is cut while it opens is given up after OPEN_S only.
            await until(lambda: publisher.published >= 3, 60)
    # At least once: an answer that the cut lost has its message sent again.
    seen: set[str] = set()
    while seen != ids:
        seen.add((await told(rabbit, queue, 1))[0]["id"])


async def test_it_waits_for_a_queue_that_is_not_there(
    rabbit: Rabbit, shop: Nexq, amqp: str, caplog: pytest.LogCaptureFixture
) -> None:
    queue = await rabbit.queue()
    await rabbit.channel.queue_delete(queue)
    async with publishing(shop, amqp=amqp, amqp_queue=queue):
        await until(lambda: f"there is no queue '{queue}'" in caplog.text)
        async with shop.worker():
            await (await shop.enqueue("double", {"n": 1})).result(10)
        await rabbit.queue(name=queue)
        (body,) = await told(rabbit, queue, 1)
        assert body["result"] == 2


async def test_mistakes(app: Nexq, amqp: str) -> None:
    for how, says in (
        ({}, "Expected either an exchange or an AMQP queue"),
        ({"exchange": "x", "amqp_queue": "q"}, "Expected either an exchange or an AMQP queue"),
        ({"exchange": "x", "states": ["done"]}, "Expected states from cancelled, completed, dead; got 'done'."),
        ({"exchange": "x", "states": []}, "Expected states from"),
        ({"exchange": "x", "queues": ["a b"]}, "is not a queue name"),
    ):
        with pytest.raises(ValueError, match=says):
            Publisher(app, amqp=amqp, **how)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Publisher(app, amqp="http://x", exchange="x")
    wrong = amqp.replace("guest:guest", "guest:wrong")
    with pytest.raises(Refused):
        await asyncio.wait_for(Publisher(app, amqp=wrong, exchange="x").run(), 20)


def test_the_command(rabbit: Rabbit, runner: asyncio.Runner, amqp: str, cli: Cli) -> None:
    queue = runner.run(rabbit.queue())
    process = cli.spawn(
        "publish", "rabbitmq", "--amqp", amqp, "--amqp-queue", queue, "--states", "cancelled", "--allow-unsafe"
    )
    process.until("publishing to queue")
    id = cli.out("enqueue", "t", "--delay", "600").strip()
    cli.out("jobs", "cancel", id)
    until_sync(lambda: runner.run(rabbit.waiting(queue)) == 1, 20, "the end to be told")
    process.signal(signal.SIGTERM)
    assert "ended: 1 published" in process.end(0)
    assert "Expected either an exchange" in cli.error("publish", "rabbitmq", "--allow-unsafe")
