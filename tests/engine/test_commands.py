"""Each command's replies, written down. That a real server says the same is test_histories' part."""

from __future__ import annotations

import math
from typing import Any

import pytest

from nexq.engine import CommandError, Engine


@pytest.fixture
def run() -> Any:
    """Commands on an empty engine whose clock stands still."""
    return Engine(clock=lambda: 1_000_000_123_456).command


def test_hashes(run: Any) -> None:
    assert run(b"HSET", b"h", b"a", b"1", b"b", b"2", b"a", b"3") == 2
    assert run(b"HSET", b"h", b"a", b"4") == 0
    assert run(b"HGET", b"h", b"a") == b"4"
    assert run(b"HGET", b"h", b"x") is None
    assert run(b"HMGET", b"h", b"x", b"b") == [None, b"2"]
    assert run(b"HMGET", b"none", b"x") == [None]
    assert run(b"HSETNX", b"h", b"a", b"5") == 0
    assert run(b"HSETNX", b"h", b"c", b"5") == 1
    assert run(b"HEXISTS", b"h", b"c") == 1
    assert run(b"HLEN", b"h") == 3
    assert run(b"HINCRBY", b"h", b"a", 10) == 14
    assert run(b"HGETALL", b"h") == [b"a", b"14", b"b", b"2", b"c", b"5"]
    assert run(b"HKEYS", b"h") == [b"a", b"b", b"c"]
    assert run(b"HVALS", b"h") == [b"14", b"2", b"5"]
    assert run(b"HDEL", b"h", b"a", b"b", b"c", b"c") == 3
    assert run(b"EXISTS", b"h") == 0


def test_sorted_sets_order_by_score_then_bytes(run: Any) -> None:
    assert run(b"ZADD", b"z", 2, b"b", 1, b"\xff", 1, b"a", 1, b"B") == 4
    assert run(b"ZRANGE", b"z", 0, -1) == [b"B", b"a", b"\xff", b"b"]
    assert run(b"ZRANGE", b"z", 0, 0, b"WITHSCORES") == [b"B", b"1"]
    assert run(b"ZRANGE", b"z", 0, 1, b"REV") == [b"b", b"\xff"]
    assert run(b"ZRANK", b"z", b"b") == 3
    assert run(b"ZREVRANK", b"z", b"b") == 0
    assert run(b"ZRANK", b"z", b"none") is None
    assert run(b"ZSCORE", b"z", b"a") == b"1"
    assert run(b"ZMSCORE", b"z", b"b", b"none") == [b"2", None]
    assert run(b"ZREM", b"z", b"a", b"none") == 1
    assert run(b"ZCARD", b"z") == 3


def test_scores_move_members(run: Any) -> None:
    run(b"ZADD", b"z", 1, b"a", 2, b"b", 3, b"c")
    assert run(b"ZADD", b"z", 9, b"a", 0.5, b"c", 0.25, b"c") == 0
    assert run(b"ZRANGE", b"z", 0, -1, b"WITHSCORES") == [b"c", b"0.25", b"b", b"2", b"a", b"9"]
    assert run(b"ZADD", b"z", b"NX", 7, b"a", 7, b"n") == 1
    assert run(b"ZADD", b"z", b"XX", 1, b"new", 1, b"b") == 0
    assert run(b"ZADD", b"z", b"GT", 3, b"a", 3, b"b", 3, b"o") == 1
    assert run(b"ZRANGE", b"z", 0, -1, b"WITHSCORES") == [b"c", b"0.25", b"b", b"3", b"o", b"3", b"n", b"7", b"a", b"9"]


def test_ranges_by_score(run: Any) -> None:
    run(b"ZADD", b"z", *[part for i in range(6) for part in (i, b"%d" % i)])
    by_score = b"BYSCORE"
    assert run(b"ZRANGE", b"z", 1, 3, by_score) == [b"1", b"2", b"3"]
    assert run(b"ZRANGE", b"z", b"(1", b"(3", by_score) == [b"2"]
    assert run(b"ZRANGE", b"z", b"-inf", b"+inf", by_score, b"LIMIT", 2, 2) == [b"2", b"3"]
    assert run(b"ZRANGE", b"z", b"+inf", b"(3", by_score, b"REV", b"LIMIT", 1, -1) == [b"4"]
    assert run(b"ZRANGE", b"z", 3, 1, by_score) == []
    assert run(b"ZRANGE", b"z", math.inf, math.inf, by_score) == []
    assert run(b"ZCOUNT", b"z", b"(1", 4) == 3
    assert run(b"ZREMRANGEBYSCORE", b"z", b"-inf", b"(2") == 2
    assert run(b"ZREMRANGEBYRANK", b"z", -1, -1) == 1
    assert run(b"ZPOPMIN", b"z") == [b"2", b"2"]
    assert run(b"ZPOPMIN", b"z", 5) == [b"3", b"3", b"4", b"4"]
    assert run(b"EXISTS", b"z") == 0


def test_lists(run: Any) -> None:
    assert run(b"RPUSH", b"l", b"b", b"c") == 2
    assert run(b"LPUSH", b"l", b"a", b"z") == 4
    assert run(b"LRANGE", b"l", 0, -1) == [b"z", b"a", b"b", b"c"]
    assert run(b"LRANGE", b"l", -2, 100) == [b"b", b"c"]
    assert run(b"LTRIM", b"l", 1, 2) == b"OK"
    assert run(b"LLEN", b"l") == 2
    assert run(b"LPOP", b"l") == b"a"
    assert run(b"RPOP", b"l", 5) == [b"b"]
    assert run(b"LPOP", b"l") is None
    assert run(b"EXISTS", b"l") == 0


def test_strings_and_keys(run: Any) -> None:
    assert run(b"SET", b"s", 1.5) == b"OK"
    assert run(b"SET", b"s", b"x", b"NX") is None
    assert run(b"GET", b"s") == b"1.5"
    assert run(b"INCR", b"n") == 1
    assert run(b"INCRBY", b"n", -3) == -2
    assert run(b"TYPE", b"n") == b"string"
    assert run(b"EXISTS", b"s", b"s", b"none") == 2
    assert run(b"DEL", b"s", b"none") == 1
    assert run(b"TIME") == [b"1000000", b"123456"]
    assert run(b"PUBLISH", b"c", b"m") == 0


def test_keys_expire_by_the_clock() -> None:
    now_us = 5_000_000
    engine = Engine(clock=lambda: now_us)
    run = engine.command
    run(b"SET", b"s", b"x", b"PX", 100)
    run(b"RPUSH", b"l", b"x")
    assert run(b"PEXPIRE", b"l", 200) == 1
    assert run(b"PEXPIRE", b"none", 200) == 0
    assert run(b"PTTL", b"s") == 100
    now_us += 100_999  # a key is there in its last millisecond
    assert run(b"PTTL", b"s") == 0
    now_us += 1
    assert run(b"GET", b"s") is None
    assert run(b"PTTL", b"s") == -2
    run(b"PEXPIRE", b"l", 1000)
    now_us += 500_000  # past the first deadline
    assert run(b"LLEN", b"l") == 1
    run(b"SET", b"l", b"for ever")
    assert run(b"PTTL", b"l") == -1
    run(b"PEXPIRE", b"l", 0)
    assert run(b"EXISTS", b"l") == 0


def test_deadlines_that_are_set_anew_are_not_collected() -> None:
    engine = Engine(clock=lambda: 0)
    for _ in range(1000):
        engine.command(b"SET", b"memo", b"x", b"PX", 600_000)
    assert len(engine._space._deadlines) < 200


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ([b"NOPE"], "ERR Unknown Redis command called from script"),
        ([], "ERR Please specify at least one argument for this redis lib call"),
        ([b"GET"], "ERR Wrong number of args calling Redis command from script"),
        ([b"GET", b"a", b"b"], "ERR Wrong number of args calling Redis command from script"),
        ([b"HGET", b"s", b"f"], "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ([b"ZADD", b"s", 1, b"m"], "WRONGTYPE Operation against a key holding the wrong kind of value"),
        ([b"ZADD", b"z", b"x", b"m"], "ERR value is not a valid float"),
        ([b"ZADD", b"z", 1, b"m", 2], "ERR syntax error"),
        ([b"HINCRBY", b"h", b"f", 0.5], "ERR value is not an integer or out of range"),
        ([b"INCRBY", b"s", 1], "ERR value is not an integer or out of range"),
        ([b"SET", b"s", b"x", b"PX", 0], "ERR invalid expire time in 'set' command"),
        ([b"LPOP", b"l", -1], "ERR value is out of range, must be positive"),
        ([b"HSET", b"h", b"f", b"v", b"g"], "ERR wrong number of arguments for 'hset' command"),
    ],
)
def test_errors(run: Any, command: list[Any], error: str) -> None:
    run(b"SET", b"s", b"x")
    with pytest.raises(CommandError) as raised:
        run(*command)
    assert raised.value.text == error
