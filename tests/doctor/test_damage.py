"""Every kind of damage, made by hand behind the store's back, is found, named and bad enough."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from nexq.backends.redis import RedisBackend
from nexq.doctor import Finding, examine
from nexq.store import Store
from tests.doctor.damage import DAMAGE, assert_found
from tests.doctor.ward import QUEUE, key, spec, stock
from tests.support.servers import Server

SERVER = {"server"}


@pytest.fixture(params=["valkey", "redis_server"])
def server(request: pytest.FixtureRequest) -> Server:
    """A Valkey and a Redis: they differ in what HSCAN can do."""
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def store(server: Server, runner: asyncio.Runner) -> Iterator[Store]:
    """A stocked store on a real server."""
    server.wire.call("FLUSHALL")
    store = Store(RedisBackend(server.url, patience_s=5.0))
    runner.run(stock(store))
    yield store
    runner.run(store.aclose())


async def found_in(store: Store) -> list[Finding]:
    """What the doctor finds beside the server's settings."""
    return [f for f in (await examine(store)).findings if f.code not in SERVER]


async def test_a_healthy_queue_has_no_finding(store: Store) -> None:
    report = await examine(store)
    assert [f for f in report.findings if f.code not in SERVER] == []
    assert report.ok and not report.notes
    assert report.checked["jobs"] == 10
    assert report.checked["queues"] == 1
    assert report.checked["keys"] >= 12


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found(name: str, store: Store, server: Server) -> None:
    commands, code, severity, id = DAMAGE[name]
    for command in commands:
        server.wire.call(*command)
    report = await examine(store)
    assert_found(report, code, severity, id)
    assert report.ok == (severity == "warning")


async def test_a_lone_damage_gives_no_other_alarm(store: Store, server: Server) -> None:
    server.wire.call("ZREM", key("ready:5"), "ready-1")
    assert {f.code for f in await found_in(store)} == {"I1", "I2"}
    server.wire.call("ZADD", key("ready:5"), "1", "ready-1")
    assert await found_in(store) == []
    server.wire.call("HDEL", key("history"), "dead-1")
    assert {f.code for f in await found_in(store)} == {"I12"}


async def test_a_queue_that_nobody_registered_is_found_by_its_keys(store: Store, server: Server) -> None:
    server.wire.call("HSET", key("jobs", "hidden"), "x", b"0000000" + spec())
    findings = await found_in(store)
    assert {f.queue for f in findings} == {"hidden"}
    assert any(f.code == "I1" and f.ids == ["x"] for f in findings)


async def test_only_the_queues_asked_for(store: Store, server: Server) -> None:
    server.wire.call("ZREM", key("ready:5"), "ready-1")
    other = await examine(store, queues=["other"])
    assert other.ok and other.checked == {"queues": 1, "jobs": 0, "keys": 0}
    assert not (await examine(store, queues=[QUEUE])).ok


async def test_namespaces_do_not_see_each_other(store: Store, server: Server) -> None:
    server.wire.call("SET", "nexqx:{a}:what", "1")
    server.wire.call("SET", "nex:{a}:what", "1")
    assert await found_in(store) == []
    odd = Store(store.backend, "odd\\name")
    server.wire.call("SET", "odd\\name:what", "1")
    assert [f.code for f in (await examine(odd)).findings if f.code not in SERVER] == ["I14"]


async def test_many_of_a_kind_are_one_finding_with_a_count(store: Store, server: Server) -> None:
    server.wire.pipeline([("HSET", key("jobs"), f"x{i}", b"0000000" + spec()) for i in range(1500)])
    findings = await found_in(store)
    nowhere = next(f for f in findings if f.code == "I1")
    assert nowhere.count == 1500 and len(nowhere.ids) == 5
    for id in range(1500):
        server.wire.call("ZADD", key("ready:5"), "1", f"x{id}")
    assert {f.code for f in await found_in(store)} == {"I2"}


async def test_unsafe_settings_are_an_error(store: Store, server: Server) -> None:
    server.wire.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        report = await examine(store)
    finally:
        server.wire.call("CONFIG", "SET", "maxmemory-policy", "noeviction")
    unsafe = [f for f in report.findings if f.code == "server" and f.severity == "error"]
    assert len(unsafe) == 1 and "allkeys-lru" in unsafe[0].message
    assert not report.ok


async def test_a_report_is_json_able(store: Store, server: Server) -> None:
    import orjson

    server.wire.call("ZREM", key("ready:5"), "ready-1")
    data = orjson.loads(orjson.dumps((await examine(store)).as_dict()))
    assert data["ok"] is False
    assert data["checked"]["queues"] == 1
    assert {"code", "severity", "queue", "count", "ids", "message", "advice"} == set(data["findings"][0])
