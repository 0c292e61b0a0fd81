"""Every kind of damage, made by hand behind the store's back, is found, named and bad enough."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from nexq.backends.redis import RedisBackend
from nexq.doctor import Finding, Report, examine
from nexq.store import Store
from tests.doctor.ward import QUEUE, key, spec, stock
from tests.support.servers import Server

SERVER = {"server"}
FAR = "9000000000000"


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


Command = tuple[str, ...]

#: name -> (commands, code, severity, an id that must be named)
DAMAGE: dict[str, tuple[list[Command], str, str, str]] = {
    "two sets": ([("ZADD", key("dead"), "1", "ready-1")], "I1", "error", "ready-1"),
    "two ready sets": ([("ZADD", key("ready:0"), "1", "ready-1")], "I1", "error", "ready-1"),
    "spec gone": ([("HDEL", key("jobs"), "ready-1")], "I1", "error", "ready-1"),
    "out of every set": ([("ZREM", key("ready:5"), "ready-1")], "I1", "error", "ready-1"),
    "in two and another in none": (
        [("ZADD", key("dead"), "1", "ready-1"), ("ZREM", key("ready:9"), "ready-2")],
        "I1",
        "error",
        "ready-2",
    ),
    "gone altogether": ([("ZREM", key("ready:5"), "ready-1"), ("HDEL", key("jobs"), "ready-1")], "I2", "error", ""),
    "no run record": ([("HDEL", key("runs"), "running-1")], "I3", "error", "running-1"),
    "no worker": ([("HSET", key("runs"), "running-1", "5 1 1 0 1 ")], "I3", "error", "running-1"),
    "no deadline": ([("ZADD", key("running"), "inf", "running-1")], "I3", "error", "running-1"),
    "token not issued": ([("HSET", key("runs"), "running-1", "99 1 1 0 1 w1")], "I3", "error", "running-1"),
    "token counter lost": ([("HDEL", key("queue"), "token")], "I3", "error", "completed-1"),
    "token twice": (
        [("HSET", key("runs"), "running-1", "6 1 1 0 1 w1"), ("HSET", key("runs"), "running2-1", "6 1 1 0 1 w1")],
        "I3",
        "error",
        "running2-1",
    ),
    "too many attempts": ([("HSET", key("runs"), "running-1", "5 4 4 0 1 w1")], "I4", "error", "running-1"),
    "fewer deliveries than attempts": (
        [("HSET", key("runs"), "running-1", "5 2 1 0 1 w1")],
        "I4",
        "error",
        "running-1",
    ),
    "negative counter": ([("HSET", key("runs"), "running-1", "5 1 1 -1 1 w1")], "I4", "error", "running-1"),
    "negative total": ([("HSET", key("queue"), "dead_total", "-1")], "I4", "error", "dead_total"),
    "second lease possible": ([("ZADD", key("ready:5"), "1", "running-1")], "I5", "error", "running-1"),
    "no due time": ([("ZADD", key("scheduled"), "inf", "scheduled-1")], "I7", "error", "scheduled-1"),
    "no retry time": ([("ZADD", key("retrying"), "0", "retrying-1")], "I7", "error", "retrying-1"),
    "ready before its time": ([("ZADD", key("ready:5"), FAR, "ready-1")], "I7", "error", "ready-1"),
    "nobody promotes": ([("ZADD", key("scheduled"), "5", "scheduled-1")], "I7", "warning", ""),
    "nobody reaps": ([("ZADD", key("running"), "5", "running-1")], "I7", "warning", ""),
    "unique key lost": ([("DEL", key("unique"))], "I8", "error", "unique-1"),
    "unique key of an ended job": ([("HSET", key("unique"), "v", "completed-1")], "I8", "error", "v"),
    "unique key of nobody": ([("HSET", key("unique"), "v", "nobody")], "I8", "error", "v"),
    "dead without a reason": ([("HDEL", key("history"), "dead-1")], "I12", "error", "dead-1"),
    "completed without a token": ([("HDEL", key("runs"), "completed-1")], "I12", "error", "completed-1"),
    "jobs expire": ([("EXPIRE", key("jobs"), "1000")], "I13", "error", key("jobs")),
    "a state set expires": ([("EXPIRE", key("dead"), "1000")], "I13", "error", key("dead")),
    "foreign key": ([("SET", "nexq:{ward}:stuff", "1")], "I14", "error", "nexq:{ward}:stuff"),
    "no tag": ([("SET", "nexq:stuff", "1")], "I14", "error", "nexq:stuff"),
    "two tags": ([("SET", "nexq:{ward}:{x}:jobs", "1")], "I14", "error", "nexq:{ward}:{x}:jobs"),
    "tag that is no queue": ([("SET", "nexq:{-}:jobs", "1")], "I14", "error", "nexq:{-}:jobs"),
    "key without its part": ([("SET", key("memo:"), "1")], "I14", "error", key("memo:")),
    "wrong type": ([("DEL", key("cancels")), ("SET", key("cancels"), "1")], "I14", "error", key("cancels")),
    "wrong type of truth": ([("DEL", key("jobs")), ("SET", key("jobs"), "1")], "record", "error", ""),
    "unreadable spec": ([("HSET", key("jobs"), "ready-1", "rubbish")], "record", "error", "ready-1"),
    "empty spec": ([("HSET", key("jobs"), "ready-1", "")], "record", "error", "ready-1"),
    "unreadable options": (
        [("HSET", key("jobs"), "ready-1", "0000000" + "5dt\n\n{\n{}")],
        "record",
        "error",
        "ready-1",
    ),
    "unreadable run": ([("HSET", key("runs"), "running-1", "rubbish")], "record", "error", "running-1"),
    "unreadable history": ([("HSET", key("history"), "dead-1", "rubbish")], "record", "error", "dead-1"),
    "run of nobody": ([("HSET", key("runs"), "nobody", "1 1 1 0 1 w")], "orphan", "warning", "nobody"),
    "result of nobody": ([("HSET", key("results"), "nobody", "1")], "orphan", "warning", "nobody"),
    "history of nobody": ([("HSET", key("history"), "nobody", "bury 1 1 1 1 w {}")], "orphan", "warning", "nobody"),
    "cancel mark of a waiting job": ([("HSET", key("cancels"), "ready-1", "1")], "orphan", "warning", "ready-1"),
    "waiter of nobody": ([("HSET", key("waiters"), "nobody", "w")], "orphan", "warning", "nobody"),
}


@pytest.mark.parametrize("name", DAMAGE)
async def test_damage_is_found(name: str, store: Store, server: Server) -> None:
    commands, code, severity, id = DAMAGE[name]
    for command in commands:
        server.wire.call(*command)
    report = await examine(store)
    assert_found(report, code, severity, id)
    assert report.ok == (severity == "warning")


def assert_found(report: Report, code: str, severity: str, id: str) -> None:
    """Check that a finding of that code and severity names the id."""
    matching = [f for f in report.findings if f.code == code and f.severity == severity and (not id or id in f.ids)]
    assert matching, report.as_dict()
    assert all(f.count >= 1 and f.message and f.advice for f in report.findings)


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
