"""The engine as a whole: its clock, its dump, and that it is the same in every process."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref

from nexq.engine import Engine
from tests.engine.twin import script

FILL = [
    (b"HSET", b"h", b"b", b"\xff\x00", b"a", 0.1),
    (b"ZADD", b"z", 1.5, b"x", b"inf", b"\xe4", 1700000000000.001, b"y", -3, b"z"),
    (b"RPUSH", b"l", b"1", b"2", b"1"),
    (b"SET", b"s", b"v", b"PX", 1000),
]


def filled() -> Engine:
    """An engine with every type in it."""
    engine = Engine(clock=lambda: 7_000_000)
    for command in FILL:
        engine.command(*command)
    return engine


def test_a_dump_is_json_and_brings_everything_back() -> None:
    dump = filled().dump()
    other = Engine(clock=lambda: 7_500_000)
    other.command(b"SET", b"old", b"x")
    other.load(json.loads(json.dumps(dump)))
    assert other.dump() == dump
    assert other.command(b"ZRANGE", b"z", 0, -1) == [b"z", b"x", b"y", b"\xe4"]
    assert other.command(b"PTTL", b"s") == 500
    assert other.command(b"EXISTS", b"old") == 0


def test_equal_states_have_equal_dumps_however_they_came_to_be() -> None:
    engine = Engine(clock=lambda: 7_000_000)
    for command in reversed(FILL):
        engine.command(*command)
    engine.command(b"ZADD", b"z", b"2", b"gone", b"1.5", b"x")
    engine.command(b"ZREM", b"z", b"gone")
    engine.command(b"HSET", b"h", b"a", b"x")
    engine.command(b"HSET", b"h", b"a", 0.1)
    assert json.dumps(engine.dump()) == json.dumps(filled().dump())
    assert engine.command(b"HGETALL", b"h") == filled().command(b"HGETALL", b"h")


def test_a_dump_taken_from_a_loaded_engine_goes_on_alike() -> None:
    one, two = filled(), Engine(clock=lambda: 7_000_000)
    two.load(one.dump())
    for engine in (one, two):
        engine.command(b"ZADD", b"z", 2, b"n")
        engine.command(b"LPOP", b"l")
    assert one.dump() == two.dump()


def test_a_call_may_bring_its_own_time() -> None:
    engine = Engine(clock=lambda: 0)
    body = script("redis.call('SET', 'k', 'v', 'PX', 10) return redis.call('TIME')")
    assert engine.run(body, (), (), now_us=5_000_001) == [b"5", b"1"]
    assert engine.dump()["keys"][0][3] == 5010


def test_time_stands_still_in_a_script() -> None:
    times = iter(range(1_000_000, 2_000_000))
    engine = Engine(clock=lambda: next(times))
    reply = engine.run(script("return {redis.call('TIME')[2], redis.call('TIME')[2]}"), (), ())
    assert reply == [b"0", b"0"]


def test_it_tells_which_lists_were_pushed_to() -> None:
    engine = Engine()
    engine.run(script("redis.call('RPUSH', 'b', 1) redis.call('LPUSH', 'a', 1) redis.call('RPUSH', 'b', 1)"), (), ())
    assert engine.take_pushed() == [b"b", b"a", b"b"]
    assert engine.take_pushed() == []
    engine.run(script("redis.call('RPUSH', 'b', 1)"), (), ())
    engine.run(script("return 1"), (), ())
    assert engine.take_pushed() == []


def test_an_engine_is_freed() -> None:
    alive = weakref.ref(filled())
    gc.collect()
    assert alive() is None


PLAY = """
import hashlib, json
from tests.engine.test_engine import filled
from tests.engine.twin import script
engine = filled()
body = '''
local seen = {}
for i = 1, 200 do seen['k' .. (i * 7919 % 200)] = i / 3 end
for i = 1, 200 do redis.call('HSET', 'h', 'k' .. i, seen['k' .. i] or '') redis.call('ZADD', 'z', i * 1.1, 'm' .. i) end
return {redis.call('HGETALL', 'h'), redis.call('ZRANGE', 'z', 0, -1, 'WITHSCORES')}
'''
reply = engine.run(script(body), (), ())
print(hashlib.sha256(repr((reply, json.dumps(engine.dump()))).encode()).hexdigest())
"""


def test_every_process_computes_the_same() -> None:
    hashes = {
        subprocess.check_output([sys.executable, "-c", PLAY], env={**os.environ, "PYTHONHASHSEED": str(seed)})
        for seed in range(3)
    }
    assert len(hashes) == 1
