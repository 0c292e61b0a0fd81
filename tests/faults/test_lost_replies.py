"""The store through a network that loses replies: what was done is done once, and nothing is lost or parked.

NEXQ_SOAK=10 does ten times as much.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import suppress
from pathlib import Path

import pytest

from nexq.doctor import examine
from nexq.ids import new_id
from nexq.states import JobState
from nexq.store import Entry, Store
from tests.faults.network import LEASE_MS, SOAK, SPEC, OpenStore, open_store, proxy
from tests.support.history import HistoryLog, check_history, read_finals, read_history
from tests.support.proxy import FaultProxy
from tests.support.servers import AOF, Server, Wire, valkey_binary
from tests.support.waiting import until

__all__ = ["open_store", "proxy"]

pytestmark = pytest.mark.timeout(120 + 120 * SOAK)


async def assert_sound(store: Store) -> None:
    """Nothing but the test server's settings is to be complained of."""
    report = await examine(store)
    assert [f.as_dict() for f in report.findings if f.code != "server"] == []


async def produce(store: Store, log: HistoryLog, count: int) -> None:
    """Enqueue so many jobs, one call each."""
    for _ in range(count):
        id = new_id()
        log.write("enqueue", id, "call")
        refused = await store.moves.enqueue("q", [Entry(id, SPEC)])
        assert [r for r in refused if r.holder != id] == []
        log.write("enqueue", id)
    log.close()


async def work(store: Store, log: HistoryLog, stop: asyncio.Event, limit: int = 3) -> None:
    """Claim, run and complete until told to stop and nothing is left."""
    held: list[tuple[str, int]] = []
    for nonce in itertools.count():
        for id, token in held:
            log.write("settle", id, "call", token=token)
        flat = [part for id, token in held for part in (id, token, b"1")]
        got = await store.moves.exchange(
            "q", log.proc, f"n{nonce}", lease_ms=LEASE_MS, limit=limit, completed=flat, tidy=False
        )
        stale = {id.decode() for id in got.stale}
        for id, token in held:
            log.write("settle", id, "fail" if id in stale else "ok", token=token)
        held = [(claim.id.decode(), claim.token) for claim in got.claims]
        for id, token in held:
            log.write("claim", id, token=token)
            log.write("run", id, "call", token=token)
        if not held:
            if stop.is_set():
                break
            await asyncio.sleep(0.005)
    log.close()


async def run_all(folder: Path, store: Store, producers: int, jobs: int, workers: int) -> None:
    """Producers and workers, each with its own connection, until every job has been done."""
    stop = asyncio.Event()
    stores = [store.clone() for _ in range(workers + producers)]
    logs = [HistoryLog(folder, f"{'w' if i < workers else 'p'}{i}") for i in range(len(stores))]
    pairs = list(zip(stores, logs, strict=True))
    working = [asyncio.ensure_future(work(s, log, stop)) for s, log in pairs[:workers]]
    try:
        await asyncio.gather(*(produce(s, log, jobs // producers) for s, log in pairs[workers:]))
        stop.set()
        await asyncio.gather(*working)
    finally:
        for task in working:
            task.cancel()
        await asyncio.gather(*working, return_exceptions=True)
        for each in stores:
            await each.aclose()


async def judge(folder: Path, store: Store, jobs: int) -> None:
    """Every job was enqueued once, claimed once and completed once, by the token that says so."""
    verdict = check_history(read_history(folder), finals := await read_finals(store, ["q"]))
    assert verdict.breaches == [], str(verdict)
    assert (verdict.attempted, verdict.acked, verdict.unknown) == (jobs, jobs, 0), str(verdict)
    assert {final.delivery for final in finals} == {1}, "a claim was parked for its lease, and given again"
    view = await store.views.queue("q")
    assert view.totals.get("lost", 0) == 0
    assert view.counts[JobState.COMPLETED] == jobs
    await assert_sound(store)


async def test_an_enqueue_whose_reply_is_lost_is_done_once(
    proxy: FaultProxy, valkey: Server, open_store: OpenStore
) -> None:
    proxy.drop_replies(every=3, command=b"EVALSHA")
    calls, at_once = round(10_000 * SOAK), 4
    stores = [open_store(proxy.url) for _ in range(at_once)]
    refusals = 0

    async def enqueue(store: Store) -> None:
        nonlocal refusals
        for _ in range(calls // at_once):
            refused = await store.moves.enqueue("q", [Entry(new_id(), SPEC)])
            refusals += len(refused)

    await asyncio.gather(*map(enqueue, stores))
    direct = open_store(valkey.url)
    view = await direct.views.queue("q")
    assert view.counts[JobState.READY] == view.totals["enqueued"] == calls
    assert proxy.counts["drop"] >= calls // 3
    assert refusals >= calls // 4, "repeats are told that the id is known"
    await assert_sound(direct)


@pytest.mark.parametrize("fault", ["drop_replies", "reset_replies"])
async def test_no_claim_or_outcome_is_lost_with_its_reply(
    proxy: FaultProxy, valkey: Server, open_store: OpenStore, tmp_path: Path, fault: str
) -> None:
    getattr(proxy, fault)(every=3, command=b"EVALSHA")
    jobs = round(600 * SOAK)
    start = time.monotonic()
    await run_all(tmp_path, open_store(proxy.url), producers=2, jobs=jobs, workers=3)
    assert SOAK > 1 or time.monotonic() - start < LEASE_MS / 1000, "something waited for a lease"
    store = open_store(valkey.url)
    await judge(tmp_path, store, jobs)
    assert proxy.counts[fault.partition("_")[0]] > jobs // 3


async def test_a_swallowed_reply_costs_a_timeout_and_nothing_else(
    proxy: FaultProxy, valkey: Server, open_store: OpenStore, tmp_path: Path
) -> None:
    store = open_store(proxy.url, call_timeout_s=0.2)
    await store.moves.enqueue("q", [Entry(f"j{i}", SPEC) for i in range(20)])
    for number in range(5):
        proxy.swallow_replies(times=1, command=b"EVALSHA")
        got = await store.moves.exchange("q", "w", f"n{number}", lease_ms=LEASE_MS, limit=2)
        assert [c.token for c in got.claims] == [2 * number + 1, 2 * number + 2]
    view = await store.views.queue("q")
    assert (view.counts[JobState.READY], view.counts[JobState.RUNNING]) == (10, 10)


async def test_a_server_killed_and_restarted_under_load_loses_nothing(open_store: OpenStore, tmp_path: Path) -> None:
    server = Server(valkey_binary(), AOF).start()
    jobs = round(1500 * SOAK)
    kills = 0
    try:
        running = asyncio.ensure_future(run_all(tmp_path, open_store(server.url), producers=2, jobs=jobs, workers=2))
        while not running.done():
            await asyncio.wait([running], timeout=0.1)
            await asyncio.to_thread(server.restart)
            kills += 1
        await running
        assert kills >= 3, "the load was over too soon"
        store = open_store(server.url)
        await judge(tmp_path, store, jobs)
    finally:
        server.stop()


async def test_a_flushed_script_cache_is_never_seen(valkey: Server, open_store: OpenStore) -> None:
    valkey.wire.call("FLUSHALL")
    store = open_store(valkey.url)
    flusher = Wire(valkey.address)
    flushes = 0
    stop = False

    async def flush() -> None:
        nonlocal flushes
        while not stop:
            flusher.call("SCRIPT", "FLUSH")
            flushes += 1
            await asyncio.sleep(0)

    task = asyncio.ensure_future(flush())
    calls = round(1500 * SOAK)
    await asyncio.gather(*(_enqueue_some(store, calls // 10) for _ in range(10)))
    stop = True
    await task
    assert (await store.views.queue("q")).counts[JobState.READY] == calls
    assert flushes > 100
    flusher.close()


async def _enqueue_some(store: Store, count: int) -> None:
    for _ in range(count):
        assert await store.moves.enqueue("q", [Entry(new_id(), SPEC)]) == []


async def test_a_late_enqueue_changes_nothing(proxy: FaultProxy, valkey: Server, open_store: OpenStore) -> None:
    store = open_store(proxy.url, call_timeout_s=0.2)
    await store.views.queue("q")
    valkey.wire.call("CONFIG", "RESETSTAT")
    before = proxy.requests[b"EVALSHA"]
    late = proxy.delay_requests(0.6, times=1, command=b"EVALSHA")
    await store.moves.enqueue("q", [Entry("a", SPEC)])
    await store.moves.delete("q", "a")
    assert late.done == 1 and _calls(valkey) < proxy.requests[b"EVALSHA"] - before
    await until(lambda: _calls(valkey) == proxy.requests[b"EVALSHA"] - before, 3, "the late request")
    assert sum((await store.views.queue("q")).counts.values()) == 0


async def test_a_late_exchange_claims_nothing(proxy: FaultProxy, valkey: Server, open_store: OpenStore) -> None:
    store = open_store(proxy.url, call_timeout_s=0.2)
    await store.moves.enqueue("q", [Entry(f"j{i}", SPEC) for i in range(9)])
    proxy.delay_requests(0.6, times=1, command=b"EVALSHA")
    nonces = itertools.count(time.time_ns() // 1000)
    first = await store.moves.exchange("q", "w", str(next(nonces)), lease_ms=LEASE_MS, limit=2)
    second = await store.moves.exchange("q", "w", str(next(nonces)), lease_ms=LEASE_MS, limit=2)
    held = {c.id for c in first.claims + second.claims}
    assert len(held) == 4
    await asyncio.sleep(0.9)
    counts = (await store.views.queue("q")).counts
    assert counts[JobState.RUNNING] == 4, "jobs are parked with a worker that does not know of them"


def _calls(valkey: Server) -> int:
    """How many EVALSHA the server has run."""
    stats = valkey.wire.call("INFO", "commandstats").decode()
    line = next((line for line in stats.splitlines() if line.startswith("cmdstat_evalsha:")), "calls=0,")
    return int(line.split("calls=")[1].split(",")[0])


async def test_cuts_at_random_moments(proxy: FaultProxy, valkey: Server, open_store: OpenStore, tmp_path: Path) -> None:
    jobs = round(600 * SOAK)
    running = asyncio.ensure_future(run_all(tmp_path, open_store(proxy.url), producers=2, jobs=jobs, workers=3))
    while not running.done():
        proxy.cut_all(reset=bool(int(time.monotonic() * 1000) % 2))
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(running), 0.013)
    await running
    store = open_store(valkey.url)
    await judge(tmp_path, store, jobs)
