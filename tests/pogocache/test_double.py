"""The double and the real server, reply by reply, over random histories of commands.

What nexq builds on has tests of its own below, which run on whichever of the two there is (NEXQ_TEST_POGOCACHE).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import hiredis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.pogocache import VARIABLE, Pogocache, real_binary
from tests.support.servers import Wire
from tests.support.waiting import until_sync

KEYS = st.sampled_from([b"a", b"b", b"c", b"nexq:{q}:1", b"\x00\xff", b""])
NUMBERS = st.sampled_from(
    [
        *[b"0", b"1", b"-1", b"5", b"", b" 7", b"+3", b"x", b"1.5", b"-0", b"1 ", b"1" * 30],
        *[b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808"],
        *[b"18446744073709551615", b"18446744073709551616"],
    ]
)
VALUES = st.one_of(NUMBERS, st.binary(max_size=40))
#: Long, so that no second passes between the two servers' looks.
EXPIRIES = st.sampled_from([b"1000000", b"2000000", b"0", b"-5", b"x", b""])


def one_of_case(*names: str) -> st.SearchStrategy[bytes]:
    """Those names, in any case."""
    return st.sampled_from([case for name in names for case in (name.upper().encode(), name.encode())])


def command(names: st.SearchStrategy[bytes], *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[bytes, ...]]:
    """A command: one of the names, then one of each part."""
    return st.tuples(names, *parts)


def flat(*parts: Any) -> tuple[bytes, ...]:
    """Words, and lists of words, as one command."""
    return tuple(word for part in parts for word in ([part] if isinstance(part, bytes) else part))


OPTION = st.one_of(
    one_of_case("nx", "xx", "get", "keepttl", "what").map(lambda word: [word]),
    st.tuples(one_of_case("ex", "px"), EXPIRIES).map(list),
    st.tuples(one_of_case("flags", "cas"), NUMBERS).map(list),
    one_of_case("ex", "flags").map(lambda word: [word]),
)
SETS = st.builds(
    lambda name, key, value, options: flat(name, key, value, *options),
    one_of_case("set"),
    KEYS,
    VALUES,
    st.lists(OPTION, max_size=3),
)
MANY = st.builds(flat, one_of_case("mget", "mgets", "del", "exists", "touch"), st.lists(KEYS, max_size=4))
HERE = """set get del mget ttl expire setex dbsize echo exists keys select ping touch incr decrby append auth save
    stats scan flush sweep purge load"""
NOT_HERE = "hello client info time multi eval config type setnx strlen"
ANY_COUNT = st.builds(
    flat,
    one_of_case(*HERE.split(), *NOT_HERE.split()),
    st.lists(st.one_of(KEYS, NUMBERS), max_size=4),
)
COMMANDS = st.one_of(
    SETS,
    SETS,
    command(one_of_case("get", "incr", "decr", "uincr", "udecr", "ttl"), KEYS),
    command(one_of_case("incrby", "decrby", "uincrby", "udecrby"), KEYS, NUMBERS),
    command(one_of_case("append", "prepend"), KEYS, VALUES),
    command(one_of_case("expire"), KEYS, st.sampled_from([b"1000000", b"-1", b"-99999999999", b"x", b"0"])),
    command(one_of_case("setex"), KEYS, EXPIRIES, VALUES),
    command(one_of_case("keys"), st.sampled_from([b"*", b"?", b"a*", b"\\a", b"*{q}*", b"\\", b"**c", b""])),
    command(one_of_case("scan"), NUMBERS.filter(lambda n: n in (b"0", b"x", b"", b"-0"))),
    MANY,
    ANY_COUNT.filter(lambda c: c[0].lower() not in (b"stats", b"scan") or len(c) > 3),
)


def comparable(command: tuple[bytes, ...], reply: Any) -> Any:
    """A reply without what may differ: the order of keys."""
    if isinstance(reply, hiredis.ReplyError):
        return ("error", str(reply))
    name = command[0].lower()
    if name == b"keys" and isinstance(reply, list):
        return sorted(reply)
    if name == b"scan" and isinstance(reply, list):
        return [reply[0], sorted(reply[1])]
    return reply


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Wire, Wire]]:
    """A connection to the real one, and one to the double."""
    if not real_binary():
        reason = f"there is no real Pogocache to compare the double with: set {VARIABLE} to the path of its binary"
        print(f"SKIPPED: {reason}")
        pytest.skip(reason)
    with contextlib.ExitStack() as stack:
        servers = [Pogocache(double=double).start() for double in (False, True)]
        for server in servers:
            stack.callback(server.stop)
        yield servers[0].wire, servers[1].wire


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(COMMANDS, max_size=40))
def test_the_double_replies_as_the_real_one(pair: tuple[Wire, Wire], history: list[tuple[bytes, ...]]) -> None:
    for wire in pair:
        wire.call("FLUSHALL")
    real, double = (wire.pipeline(history) for wire in pair)
    for number, command in enumerate(history):
        expected, got = (comparable(command, replies[number]) for replies in (real, double))
        assert got == expected, f"{command} after {history[:number]}"


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"*0\r\n*1\r\n$4\r\nPING\r\n",
        b"*-1\r\n*1\r\n$4\r\nPING\r\n",
        b"*x\r\n",
        b"*1\r\n#4\r\n",
        b"*1\r\n$-1\r\n",
        b"*1\r\n$4x\r\n",
        b"*100001\r\n",
        b"*1\r\n$536870913\r\n",
        b"*5" + b"0" * 40,
        b"*1\rx$4\r\nPING\r\n",
        b"*1\r\n$4\r\nPINGxx*1\r\n$4\r\nPING\r\n",
        b"*1\r\n$300\r\n" + b"x" * 300 + b"\r\n",
        b"PING\r\n",
        b"QUIT\r\nPING\r\n",
    ],
)
def test_the_double_takes_broken_requests_as_the_real_one(bytes_sent: bytes, pair: tuple[Wire, Wire]) -> None:
    answers = [answer(wire, bytes_sent) for wire in pair]
    assert answers[0] == answers[1]


def answer(wire: Wire, bytes_sent: bytes) -> bytes:
    """What comes back on a new connection, up to its end, or to the reply of a last PING."""
    with wire.another() as connection:
        connection.sendall(bytes_sent + b"*2\r\n$4\r\nPING\r\n$3\r\nend\r\n")
        got = b""
        while b"$3\r\nend\r\n" not in got:
            data = connection.recv(1 << 16)
            if not data:
                return got + b"<end>"
            got += data
    return got


def test_what_was_saved_is_loaded_and_the_rest_is_gone(server: Pogocache) -> None:
    server.wire.call("SET", "old", "1", "EX", "1000")
    server.wire.call("SAVE")
    server.wire.call("SET", "new", "2")
    server.restart()
    assert server.wire.call("MGET", "old", "new") == [b"1", None]
    assert 990 <= server.wire.call("TTL", "old") <= 1000
    server.wire.call("SET", "new", "2")
    server.term()
    assert server.start().wire.call("MGET", "old", "new") == [b"1", b"2"]


def test_a_broken_file_ends_the_server(server: Pogocache) -> None:
    server.wire.call("SET", "a", "1")
    server.term()
    server.file.write_bytes(b"POGO" + b"x" * 60)
    with pytest.raises(RuntimeError, match="ended at once"):
        server.start()


def test_a_save_under_load_is_no_moment_of_the_past(server: Pogocache) -> None:
    """What nexq's log has to live with: after a load, entries are missing below others that are there."""
    holes = 0
    for _ in range(5):
        server.wire.call("FLUSHALL")
        last = _write_until_it_ends(server)
        server.start()
        found = server.wire.pipeline([("EXISTS", f"log:{n}") for n in range(last + 1)])
        holes += sum(found[found.index(0) :]) if 0 in found else 0
        if holes:
            return
    pytest.fail("five saves under load, and no later key above a hole")


def _write_until_it_ends(server: Pogocache) -> int:
    """SIGTERM while ascending keys are written; the last one that was acknowledged."""
    wire, last = server.open_wire(), 0
    with contextlib.suppress(OSError):
        for last in range(0, 1_000_000, 20):
            wire.pipeline([("SET", f"log:{last + n}", "x" * 100, "NX") for n in range(20)])
            if last == 20_000:
                server.signal_term()
    wire.close()
    server.term()
    return last


@pytest.mark.parametrize("evict", ["yes", "no"])
def test_too_little_memory_loses_keys_without_a_word(evict: str) -> None:
    server = Pogocache("--evict", evict, maxmemory="12mb").start()
    wire, written = server.wire, 0

    def some_are_gone() -> bool:
        nonlocal written
        batch = [("SET", f"log:{written + n}", "x" * 4096, "NX") for n in range(200)]
        assert set(wire.pipeline(batch)) == {b"OK"}, "every one is acknowledged"
        written += len(batch)
        return int(wire.call("DBSIZE")) < written

    try:
        until_sync(some_are_gone, 20, "something to be evicted")
        first_half = wire.pipeline([("EXISTS", f"log:{n}") for n in range(written // 2)])
        assert 0 in first_half, "the older of two goes"
    finally:
        server.stop()


def test_one_password_and_no_users() -> None:
    server = Pogocache(auth="secret").start()
    wire = Wire(server.address)
    try:
        refused = wire.pipeline(
            [("GET", "a"), ("HELLO", "3"), ("AUTH", "wrong"), ("AUTH", "default", "secret"), ("AUTH",)]
        )
        assert [str(reply) for reply in refused] == [
            "NOAUTH Authentication required.",
            "NOAUTH Authentication required.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "WRONGPASS invalid username-password pair or user is disabled.",
            "ERR wrong number of arguments",
        ]
        assert wire.call("AUTH", "secret") == b"OK"
        assert wire.call("GET", "a") is None
    finally:
        wire.close()
        server.stop()
