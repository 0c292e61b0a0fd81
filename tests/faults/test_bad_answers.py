"""The store and a server that answers with errors, in pieces, or not at all."""

from __future__ import annotations

import asyncio
import time

import pytest

from nexq.errors import BackendUnavailable, OutcomeUnknown, ScriptFailed
from nexq.keys import queue_keys
from nexq.states import JobState
from nexq.store import Entry
from tests.faults.network import LEASE_MS, SPEC, OpenStore, open_store, proxy
from tests.support.proxy import FaultProxy
from tests.support.servers import Server

__all__ = ["open_store", "proxy"]

ERRORS = [
    "LOADING Redis is loading the dataset in memory",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "READONLY You can't write against a read only replica.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Errors writing to the AOF file: No space left on device",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "NOREPLICAS Not enough good replicas to write.",
    "ERR max number of clients reached",
    "NOSCRIPT No matching script. Please use EVAL.",
]


@pytest.mark.parametrize("text", ERRORS, ids=lambda text: " ".join(text.split()[:2]))
async def test_an_error_that_passes_is_waited_for(proxy: FaultProxy, open_store: OpenStore, text: str) -> None:
    refusal = proxy.refuse(text, times=4, when=lambda parts: parts[0].startswith(b"EVAL"))
    store = open_store(proxy.url)
    assert await store.moves.enqueue("q", [Entry("a", SPEC)]) == []
    got = await store.moves.exchange("q", "w", "n1", lease_ms=LEASE_MS, limit=1)
    await store.moves.exchange("q", "w", "n2", lease_ms=LEASE_MS, limit=0, completed=("a", got.claims[0].token, b""))
    view = await store.views.queue("q")
    assert view.counts[JobState.COMPLETED] == 1 and view.totals["enqueued"] == 1
    assert refusal.done == 4


@pytest.mark.parametrize("text", [ERRORS[0], ERRORS[9]], ids=["LOADING", "max clients"])
async def test_an_error_while_connecting_is_waited_for(proxy: FaultProxy, open_store: OpenStore, text: str) -> None:
    refusal = proxy.refuse(text, times=4, when=lambda parts: parts[0] in (b"SELECT", b"CLIENT", b"HELLO"))
    store = open_store(proxy.url + "/1")
    assert await store.moves.enqueue("q", [Entry("a", SPEC)]) == []
    assert refusal.done >= 1


async def test_an_error_that_does_not_pass_is_raised_when_patience_is_over(
    proxy: FaultProxy, open_store: OpenStore
) -> None:
    proxy.refuse(ERRORS[3], when=lambda parts: parts[0].startswith(b"EVAL"))
    store = open_store(proxy.url, patience_s=0.3)
    with pytest.raises(BackendUnavailable, match="out of memory"):
        await store.moves.enqueue("q", [Entry("a", SPEC)])


async def test_a_script_that_fails_is_sent_once(proxy: FaultProxy, open_store: OpenStore, valkey: Server) -> None:
    store = open_store(proxy.url)
    await store.moves.enqueue("q", [Entry("a", SPEC)])
    valkey.wire.call("DEL", queue_keys("nexq", "q")["queue"])
    valkey.wire.call("SET", queue_keys("nexq", "q")["queue"], "not a hash")
    before = proxy.requests[b"EVALSHA"]
    with pytest.raises(ScriptFailed):
        await store.moves.enqueue("q", [Entry("b", SPEC)])
    assert proxy.requests[b"EVALSHA"] - before == 1


@pytest.mark.parametrize("fault", ["split_replies", "drip_replies"])
async def test_replies_in_pieces_are_understood(proxy: FaultProxy, open_store: OpenStore, fault: str) -> None:
    getattr(proxy, fault)()
    store = open_store(proxy.url)
    rounds = 40 if fault == "split_replies" else 10
    for number in range(rounds):
        await store.moves.enqueue("q", [Entry(f"j{number}", SPEC)])
        got = await store.moves.exchange("q", "w", f"n{number}", lease_ms=LEASE_MS, limit=5)
        assert [c.id.decode() for c in got.claims] == [f"j{number}"]
    assert (await store.views.get("q", "j7")).run.token == 8
    assert proxy.counts[fault.partition("_")[0]] > 2 * rounds


async def test_a_silent_server_is_given_up_in_time_and_the_outcome_is_called_unknown(
    proxy: FaultProxy, open_store: OpenStore
) -> None:
    store = open_store(proxy.url, patience_s=1.0, call_timeout_s=0.3)
    await store.moves.enqueue("q", [Entry("a", SPEC)])
    proxy.black_hole()
    start = time.monotonic()
    with pytest.raises(OutcomeUnknown) as caught:
        await store.moves.enqueue("q", [Entry("b", SPEC)])
    assert time.monotonic() - start < 2.5
    assert caught.value.ids == ["b"]
    start = time.monotonic()
    with pytest.raises(BackendUnavailable):
        await store.views.queue("q")
    assert time.monotonic() - start < 2.5


async def test_a_new_connection_to_a_silent_server_is_given_up_in_time(
    proxy: FaultProxy, open_store: OpenStore
) -> None:
    proxy.black_hole()
    store = open_store(proxy.url, patience_s=1.0, call_timeout_s=0.3)
    start = time.monotonic()
    with pytest.raises((BackendUnavailable, OutcomeUnknown)):
        await store.moves.enqueue("q", [Entry("b", SPEC)])
    assert time.monotonic() - start < 2.5


async def test_many_calls_to_a_silent_server_do_not_wait_for_each_other(
    proxy: FaultProxy, open_store: OpenStore
) -> None:
    proxy.black_hole()
    store = open_store(proxy.url, patience_s=1.0, call_timeout_s=0.3)
    start = time.monotonic()
    calls = [store.moves.enqueue("q", [Entry(f"j{i}", SPEC)]) for i in range(3)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(error, (BackendUnavailable, OutcomeUnknown)) for error in errors)
    assert time.monotonic() - start < 2.5


async def test_a_silent_server_that_speaks_again_is_used_again(proxy: FaultProxy, open_store: OpenStore) -> None:
    store = open_store(proxy.url, patience_s=10.0, call_timeout_s=0.2)
    await store.moves.enqueue("q", [Entry("a", SPEC)])
    proxy.black_hole()
    call = asyncio.ensure_future(store.moves.enqueue("q", [Entry("b", SPEC)]))
    await asyncio.sleep(0.6)
    assert not call.done()
    proxy.heal()
    start = time.monotonic()
    assert await call == []
    assert time.monotonic() - start < 2.5
    assert (await store.views.queue("q")).counts[JobState.READY] == 2


async def test_a_wait_on_a_silent_server_ends(proxy: FaultProxy, open_store: OpenStore) -> None:
    store = open_store(proxy.url, call_timeout_s=0.3)
    wake = queue_keys("nexq", "q")["wake"]
    assert await store.backend.wait([wake], 0.05) is None
    proxy.black_hole()
    start = time.monotonic()
    with pytest.raises(BackendUnavailable):
        await store.backend.wait([wake], 0.2)
    assert time.monotonic() - start < 1.5
