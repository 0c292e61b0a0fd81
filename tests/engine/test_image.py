"""Images of the whole state, as rows of byte strings; and scripts that only read."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexq.engine import CommandError, Engine
from nexq.engine.image import SLICE, rows_of
from nexq.engine.rows import pack_rows, unpack_rows
from nexq.errors import ScriptFailed
from tests.engine.twin import script

BYTES = st.binary(max_size=12)


@given(st.lists(st.lists(BYTES, max_size=6), max_size=6))
def test_rows_come_back_as_they_were(rows: list[list[bytes]]) -> None:
    assert unpack_rows(pack_rows(rows)) == rows


@given(st.binary(max_size=60))
def test_what_is_no_rows_is_refused_or_read_but_never_fails_otherwise(raw: bytes) -> None:
    try:
        rows = unpack_rows(raw)
    except (ValueError, struct.error):
        return
    assert pack_rows(rows) == raw


def test_every_cut_of_rows_is_refused() -> None:
    whole = pack_rows([[b"a", b""], [b"bcd"]])
    for end in range(len(whole)):
        with pytest.raises((ValueError, struct.error)):
            unpack_rows(whole[:end])


def _image(engine: Engine) -> list[list[bytes]]:
    return [row for value in engine.freeze() for row in rows_of(value)]


def _filled() -> Engine:
    engine = Engine(clock=lambda: 1_000_000_000)
    engine.command(b"SET", b"s", b"\0v", b"PX", b"5000")
    engine.command(b"RPUSH", b"l", b"1", b"2", b"1")
    for n in range(SLICE + 3):
        engine.command(b"HSET", b"h", b"f%d" % n, b"v%d" % n)
        engine.command(b"ZADD", b"z", n / 8, b"m%d" % n)
    engine.command(b"ZADD", b"z", float("inf"), b"last", -0.0, b"zero")
    return engine


def test_an_image_makes_the_same_state() -> None:
    engine, other = _filled(), Engine(clock=lambda: 1_000_000_000)
    other.command(b"SET", b"gone", b"x")
    other.thaw(_image(engine))
    assert other.dump() == engine.dump()
    assert _image(other) == _image(engine)
    assert other.command(b"PTTL", b"s") == 5000


def test_what_is_frozen_does_not_change_any_more() -> None:
    engine = _filled()
    frozen = engine.freeze()
    before = [row for value in frozen for row in rows_of(value)]
    for command in ([b"DEL", b"s"], [b"RPUSH", b"l", b"9"], [b"HDEL", b"h", b"f1"], [b"ZREM", b"z", b"m2"]):
        engine.command(*command)
    assert [row for value in frozen for row in rows_of(value)] == before


@pytest.mark.parametrize(
    "rows",
    [
        [[b"k", b"?", b"", b"x"]],
        [[b"k", b"h", b"", b"f", b"v"], [b"k", b"l", b"", b"x"]],
        [[b"k", b"l", b"", b"x"], [b"k", b"z", b"", bytes(8), b"m"]],
        [[b"k", b"h", b"", b"odd"]],
        [[b"k", b"z", b"", b"short", b"m"]],
        [[b"k", b"s", b"soon", b"x"]],
    ],
)
def test_a_bad_image_is_refused(rows: list[list[bytes]]) -> None:
    with pytest.raises((ValueError, struct.error)):
        Engine().thaw(rows)


def test_a_peek_reads_and_leaves_no_trace() -> None:
    engine = Engine(clock=lambda: 1_000_000)
    engine.command(b"SET", b"k", b"v", b"PX", b"10")
    before = engine.dump()
    seen = engine.peek(script("return {redis.call('TIME')[1], redis.call('GET', KEYS[1])}"), [b"k"], [], 9_000_000)
    # Its time is its own: what would have expired by then is still there.
    assert seen == [b"9", b"v"]
    assert engine.dump() == before
    assert engine.run(script("return redis.call('TIME')[1]"), [], []) == b"1"


@pytest.mark.parametrize(
    "call", ["'SET', KEYS[1], 'x'", "'LPOP', KEYS[1]", "'DEL', KEYS[1]", "'ZADD', KEYS[1], 1, 'm'"]
)
def test_a_peek_may_not_write(call: str) -> None:
    engine = Engine()
    with pytest.raises(ScriptFailed, match="read-only"):
        engine.peek(script(f"return redis.call({call})"), [b"k"], [], 1)
    assert engine.dump() == {"keys": []}
    assert engine.run(script("return redis.call('SET', KEYS[1], 'x')"), [b"k"], []) is not None


def test_the_keys_with_type_and_life() -> None:
    engine = _filled()
    assert engine.keys() == [(b"s", b"string", 5000), (b"l", b"list", -1), (b"h", b"hash", -1), (b"z", b"zset", -1)]
    assert engine.holds(b"l")
    assert not engine.holds(b"none")
    with pytest.raises(CommandError):
        engine.command(b"NONSENSE")
