"""Each fault of the proxy is seen by a plain client, so a test that survives it has survived something."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import hiredis
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.proxy import FaultProxy
from tests.support.resp import Splitter, words
from tests.support.servers import Server, Wire
from tests.support.waiting import until_sync


@pytest.fixture
def proxy(valkey: Server) -> Iterator[FaultProxy]:
    """A proxy before an empty server."""
    valkey.wire.call("FLUSHALL")
    with FaultProxy(valkey.address) as proxy:
        yield proxy


def open_wire(proxy: FaultProxy, timeout_s: float = 5.0) -> Wire:
    """A plain connection through the proxy."""
    return Wire(("127.0.0.1", proxy.port), timeout_s)


def count_of(valkey: Server, key: str = "n") -> int:
    """The counter, read behind the proxy's back."""
    return int(valkey.wire.call("GET", key) or 0)


def increment(client: redis.Redis, times: int) -> int:  # type: ignore[type-arg]
    """How many of so many increments failed; the client sends INCRBY."""
    failed = 0
    for _ in range(times):
        try:
            client.incr("n")
        except (redis.ConnectionError, redis.TimeoutError):
            failed += 1
    return failed


@pytest.mark.parametrize("fault", ["drop_replies", "reset_replies"])
def test_a_dropped_reply_doubles_what_the_default_client_did(proxy: FaultProxy, valkey: Server, fault: str) -> None:
    getattr(proxy, fault)(every=2, command=b"INCRBY")
    client = redis.Redis(port=proxy.port)
    assert increment(client, 50) == 0
    client.close()
    assert count_of(valkey) > 90
    assert proxy.counts[fault.partition("_")[0]] >= 40


def test_without_retries_nothing_is_doubled_and_every_drop_is_an_error(proxy: FaultProxy, valkey: Server) -> None:
    proxy.drop_replies(every=2, command=b"INCRBY")
    client = redis.Redis(port=proxy.port, retry=Retry(NoBackoff(), 0))
    assert increment(client, 50) == 25
    client.close()
    assert count_of(valkey) == 50


def test_a_reset_is_not_a_plain_end(proxy: FaultProxy) -> None:
    proxy.reset_replies()
    wire = open_wire(proxy)
    with pytest.raises(ConnectionResetError):
        wire.call("PING")
    wire.close()
    proxy.heal()
    proxy.drop_replies()
    wire = open_wire(proxy)
    with pytest.raises(ConnectionError, match="the server closed"):
        wire.call("PING")
    wire.close()


def test_a_swallowed_reply_leaves_the_connection_open(proxy: FaultProxy, valkey: Server) -> None:
    proxy.swallow_replies(times=1, command=b"INCR")
    wire = open_wire(proxy, 0.2)
    with pytest.raises(TimeoutError):
        wire.call("INCR", "n")
    assert count_of(valkey) == 1
    assert wire.call("ECHO", "still there") == b"still there"
    wire.close()


def test_a_delayed_reply_holds_those_behind_it(proxy: FaultProxy) -> None:
    proxy.delay_replies(0.2, command=b"INCR")
    wire = open_wire(proxy)
    start = time.monotonic()
    assert wire.call("PING") == b"PONG"
    assert time.monotonic() - start < 0.15
    assert wire.pipeline([("INCR", "n"), ("PING",)]) == [1, b"PONG"]
    assert time.monotonic() - start > 0.2
    wire.close()


@pytest.mark.parametrize("fault", ["split_replies", "drip_replies"])
def test_a_reply_in_pieces(proxy: FaultProxy, fault: str) -> None:
    getattr(proxy, fault)(command=b"ECHO")
    raw = socket.create_connection(("127.0.0.1", proxy.port), 5)
    sizes = []
    for _ in range(20):
        raw.sendall(hiredis.pack_command(("ECHO", "01234567890123456789")))  # type: ignore[arg-type]
        got, pieces = b"", []
        while len(got) < 27:
            piece = raw.recv(100)
            got += piece
            pieces.append(len(piece))
        assert got == b"$20\r\n01234567890123456789\r\n"
        sizes.append(pieces)
    raw.close()
    if fault == "split_replies":
        assert [s[0] for s in sizes].count(27) <= 4
        assert len({s[0] for s in sizes}) >= 16
    else:
        assert max(len(s) for s in sizes) >= 20


def test_a_replaced_reply_was_done_a_refused_request_was_not(proxy: FaultProxy, valkey: Server) -> None:
    proxy.replace_replies("OOM command not allowed", times=1, command=b"INCR")
    wire = open_wire(proxy)
    with pytest.raises(hiredis.ReplyError, match="OOM"):
        wire.call("INCR", "n")
    assert count_of(valkey) == 1
    proxy.refuse("LOADING in progress", every=2, command=b"INCR")
    replies = wire.pipeline([("INCR", "n"), ("INCR", "n"), ("ECHO", "x"), ("INCR", "n"), ("INCR", "n")])
    assert [r if isinstance(r, (int, bytes)) else str(r)[:7] for r in replies] == [2, "LOADING", b"x", 3, "LOADING"]
    assert count_of(valkey) == 3
    wire.close()


def test_a_cut_request_was_not_done(proxy: FaultProxy, valkey: Server) -> None:
    proxy.cut_requests(command=b"INCR")
    wire = open_wire(proxy)
    with pytest.raises(ConnectionError):
        wire.call("INCR", "n")
    wire.close()
    assert count_of(valkey) == 0
    assert proxy.requests[b"INCR"] == 1


def test_a_late_request_is_done_after_the_client_has_gone(proxy: FaultProxy, valkey: Server) -> None:
    proxy.delay_requests(0.3, command=b"INCR")
    wire = open_wire(proxy, 0.1)
    with pytest.raises(TimeoutError):
        wire.call("INCR", "n")
    wire.close()
    assert count_of(valkey) == 0
    until_sync(lambda: count_of(valkey) == 1, what="the late request")


def test_a_black_hole_both_ways_until_it_heals(proxy: FaultProxy, valkey: Server) -> None:
    wire = open_wire(proxy, 0.2)
    assert wire.call("PING") == b"PONG"
    proxy.black_hole()
    with pytest.raises(TimeoutError):
        wire.call("INCR", "n")
    late = open_wire(proxy, 0.2)
    with pytest.raises(TimeoutError):
        late.call("INCR", "n")
    assert count_of(valkey) == 0
    proxy.heal()
    with pytest.raises(ConnectionError):
        wire.call("PING")
    fresh = open_wire(proxy)
    assert fresh.call("INCR", "n") == 1
    for each in (wire, late, fresh):
        each.close()


def test_one_connection_becomes_a_hole(proxy: FaultProxy) -> None:
    proxy.swallow_connections(times=1, command=b"INCR")
    wire, other = open_wire(proxy, 0.2), open_wire(proxy)
    with pytest.raises(TimeoutError):
        wire.call("INCR", "n")
    with pytest.raises(TimeoutError):
        wire.call("PING")
    assert other.call("INCR", "n") == 1
    wire.close()
    other.close()


@pytest.mark.parametrize("reset", [False, True])
def test_every_connection_is_cut_at_once(proxy: FaultProxy, reset: bool) -> None:
    wires = [open_wire(proxy) for _ in range(3)]
    for wire in wires:
        wire.call("PING")
    proxy.cut_all(reset=reset)
    for wire in wires:
        with pytest.raises(ConnectionError):
            until_sync(lambda wire=wire: not wire.call("PING"), 2)
        wire.close()


def test_an_upstream_that_is_down_ends_the_connection(proxy: FaultProxy) -> None:
    proxy.upstream = "/nonexistent/socket"
    wire = open_wire(proxy)
    with pytest.raises(ConnectionError):
        wire.call("PING")
    wire.close()


def test_aimed_by_what_the_request_says(proxy: FaultProxy, valkey: Server) -> None:
    proxy.refuse("BUSY", when=lambda parts: parts[1:2] == [b"b"])
    wire = open_wire(proxy)
    assert wire.call("INCR", "a") == 1
    with pytest.raises(hiredis.ReplyError, match="BUSY"):
        wire.call("INCR", "b")
    wire.close()


def test_messages_are_found_in_bytes_of_any_cut() -> None:
    messages = [
        b"+OK\r\n",
        b"-ERR x\r\n",
        b":12\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$4\r\n\r\n\r\n\r\n",
        b"*-1\r\n",
        b"*0\r\n",
        b"*3\r\n:1\r\n*2\r\n$1\r\na\r\n*1\r\n+x\r\n$2\r\nbc\r\n",
        b"%1\r\n+k\r\n*1\r\n:1\r\n",
        b"|1\r\n+k\r\n+v\r\n:5\r\n",
        b">2\r\n+a\r\n+b\r\n",
        b"PING\r\n",
    ]
    stream = b"".join(messages)
    for size in range(1, len(stream) + 1):
        splitter = Splitter()
        got = [m for i in range(0, len(stream), size) for m in splitter.feed(stream[i : i + size])]
        assert got == messages
    assert words(hiredis.pack_command(("SET", "k", b"\r\n*1\r\n"))) == [b"SET", b"k", b"\r\n*1\r\n"]  # type: ignore[arg-type]
    assert words(b"PING x\r\n") == [b"PING", b"x"]
