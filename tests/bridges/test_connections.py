"""The bridge's connections: to a queue that is not there, through cuts, to its end, and refused ones."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nexq import Nexq
from nexq.bridges.rabbitmq import Bridge, Refused
from nexq.errors import ConfigError
from tests.bridges.conftest import Bridging, body, jobs, remembered, settled
from tests.bridges.relay import Relay
from tests.support.rabbitmq import Rabbit
from tests.support.waiting import until


async def test_it_waits_for_a_queue_that_is_not_there_yet_and_for_one_that_was_deleted(
    rabbit: Rabbit, app: Nexq, bridging: Bridging, caplog: pytest.LogCaptureFixture
) -> None:
    queue = await rabbit.queue()
    await rabbit.channel.queue_delete(queue)
    async with bridging(queue) as bridge:
        await until(lambda: f"there is no queue '{queue}'" in caplog.text)
        assert f"there is no queue '{queue}'" in await bridge.why_not_ready()
        for round in (1, 2):
            await rabbit.queue(name=queue)
            await rabbit.publish(queue, body(), message_id=f"m{round}")
            await settled(bridge, round)
            await rabbit.channel.queue_delete(queue)
            await until(lambda: not bridge.tally.connected)
        assert bridge.tally.connects == 2
    assert [job.id for job in await jobs(app)] == ["m1", "m2"]


async def test_it_makes_the_queue_when_asked_to(rabbit: Rabbit, bridging: Bridging) -> None:
    queue = await rabbit.queue()
    await rabbit.channel.queue_delete(queue)
    async with bridging(queue, declare=True) as bridge:
        await until(lambda: bridge.tally.connected)
        await rabbit.publish(queue, body())
        await settled(bridge, 1)


async def test_it_comes_back_when_the_connection_is_cut(
    rabbit: Rabbit, app: Nexq, amqp: str, bridging: Bridging
) -> None:
    queue = await rabbit.queue()
    async with Relay() as relay, bridging(queue, amqp=f"amqp://guest:guest@127.0.0.1:{relay.port}/") as bridge:
        for round in range(1, 4):
            await until(lambda: bridge.tally.connected)
            await rabbit.publish(queue, body(round), message_id=f"m{round}")
            await settled(bridge, round)
            relay.cut()
            await until(lambda: not bridge.tally.connected)
        await until(lambda: bridge.tally.connects == 4)
    assert [job.id for job in await jobs(app)] == ["m1", "m2", "m3"]


async def test_a_stop_gives_back_what_is_not_under_way(rabbit: Rabbit, app: Nexq, bridging: Bridging) -> None:
    queue = await rabbit.queue()
    await rabbit.publish_many(queue, ((f"m{n}", body(n)) for n in range(2000)))
    async with bridging(queue, prefetch=1000) as bridge:
        await settled(bridge, 1)
    done = bridge.tally.taken["enqueued"]
    assert len(await jobs(app)) == done
    assert await remembered(app) == []
    async with bridging(queue, prefetch=1000) as second:
        await settled(second, 2000 - done)
        assert second.tally.taken == {"enqueued": 2000 - done, "repeated": 0, "conflict": 0}


async def test_a_stop_while_there_is_no_broker_ends_at_once(app: Nexq) -> None:
    bridge = Bridge(app, amqp="amqp://guest:guest@127.0.0.1:1/", amqp_queue="q")
    running = asyncio.create_task(bridge.run())
    await until(lambda: "127.0.0.1:1" in bridge._trouble)
    bridge.stop()
    await asyncio.wait_for(running, 5)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"password": "wrong"}, "the broker refuses the user or its password"),
        ({"path": "/nowhere"}, "the broker refuses the virtual host"),
    ],
)
async def test_what_the_broker_refuses_is_an_error_at_once(
    app: Nexq, amqp: str, change: dict[str, str], says: str
) -> None:
    from yarl import URL

    url = URL(amqp)
    url = url.with_password(change["password"]) if "password" in change else url.with_path(change["path"])
    with pytest.raises(Refused) as raised:
        await asyncio.wait_for(Bridge(app, amqp=str(url), amqp_queue="q").run(), 20)
    assert says in str(raised.value) and "wrong" not in str(raised.value)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"amqp": "http://localhost/"}, "Expected an AMQP URL such as amqp://"),
        ({"amqp": "amqp://"}, "Expected an AMQP URL such as amqp://"),
        ({"amqp": "amqp://u:secret@:5672"}, "URL"),
        ({"prefetch": 0}, "Expected prefetch to be from 1 to 65,535, got 0."),
        ({"prefetch": 65_536}, "Expected prefetch"),
        ({"prefetch": True}, "Expected prefetch"),
        ({"amqp_queue": ""}, "Expected the name of an AMQP queue"),
        ({"amqp_queue": "ü" * 128}, "Expected the name of an AMQP queue"),
        ({"queue": "no queue"}, "is not a queue name"),
    ],
)
def test_settings_that_cannot_be_used_are_said(how: dict[str, Any], says: str) -> None:
    with pytest.raises((ConfigError, ValueError)) as raised:
        Bridge(Nexq("memory://"), **{"amqp_queue": "q", **how})
    assert says in str(raised.value) and "secret" not in str(raised.value)
