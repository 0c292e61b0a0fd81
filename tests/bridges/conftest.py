"""Fixtures of the bridge's tests: the machine's RabbitMQ, queues of our own there, and an app on an empty Valkey."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from nexq import Nexq
from nexq.bridges.rabbitmq import Bridge
from nexq.job import JobRecord
from tests.support.rabbitmq import Rabbit, shared_broker
from tests.support.servers import Server
from tests.support.waiting import until

Bridging = Callable[..., AbstractAsyncContextManager[Bridge]]


def body(n: int = 0, **more: Any) -> bytes:
    """A message's body."""
    return json.dumps({"type": "t", "payload": {"n": n}, **more}).encode()


@pytest.fixture(scope="session")
def amqp() -> str:
    """The URL of a broker that runs."""
    return shared_broker(pytest.skip)


@pytest.fixture
def rabbit(amqp: str, runner: asyncio.Runner) -> Iterator[Rabbit]:
    """A connection to it; the queues made through it are gone afterwards."""
    rabbit = Rabbit(amqp)
    runner.run(rabbit.__aenter__())
    yield rabbit
    runner.run(rabbit.__aexit__(None, None, None))


@pytest.fixture
def app(valkey: Server, runner: asyncio.Runner) -> Iterator[Nexq]:
    """An app on an empty Valkey."""
    valkey.wire.call("FLUSHALL")
    app = Nexq(valkey.url, allow_unsafe=True, patience=2)
    yield app
    runner.run(app.aclose())


@pytest.fixture
def bridging(app: Nexq, amqp: str) -> Bridging:
    """A bridge beside the test: `async with bridging("queue", prefetch=10) as bridge`. It is stopped at the end."""

    @asynccontextmanager
    async def bridging(amqp_queue: str, **how: Any) -> AsyncIterator[Bridge]:
        bridge = Bridge(app, **{"amqp": amqp, "amqp_queue": amqp_queue, **how})
        running = asyncio.create_task(bridge.run())
        try:
            yield bridge
        finally:
            bridge.stop()
            await asyncio.wait_for(running, 20)

    return bridging


async def settled(bridge: Bridge, count: int, timeout_s: float = 20.0) -> None:
    """Wait until the bridge has settled so many messages."""
    tally = bridge.tally

    def enough() -> bool:
        return sum(tally.taken.values()) + sum(tally.rejected.values()) >= count

    await until(enough, timeout_s, f"{count} messages to be settled; there are {tally.taken} {tally.rejected}")


async def jobs(app: Nexq, queue: str = "default") -> list[JobRecord]:
    """All jobs of a queue, in order of their ids."""
    store = await app.store()
    keys = await store.backend.command("HKEYS", f"nexq:{{{queue}}}:jobs")  # type: ignore[attr-defined]
    return [await store.views.get(queue, key.decode()) for key in sorted(keys)]


async def remembered(app: Nexq, queue: str = "default") -> list[str]:
    """The ids whose enqueue may be repeated."""
    return sorted(await (await app.store()).moves.recall(queue))
