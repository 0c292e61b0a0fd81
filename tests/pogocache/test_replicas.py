"""Several replicas of one log: they agree, they join by snapshots, and none acts on what it has not seen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import time

import pytest

from nexq.backends.base import Backend
from nexq.backends.pogocache import line, tend
from nexq.backends.pogocache.replica import Replica
from nexq.job import Spec
from nexq.keys import queue_keys
from nexq.states import JobState
from nexq.store import Entry, Store
from tests.pogocache.appends import append, read_names
from tests.pogocache.clients import AnyServer, client, clients
from tests.pogocache.crew import Crew
from tests.pogocache.logreader import newest_epoch, read_log
from tests.support.pogocache import ROOT, Pogocache
from tests.support.proxy import FaultProxy
from tests.support.waiting import until, until_sync

SPEC = Spec(type="t", payload=b"{}").pack()


@pytest.fixture
def small_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot each few entries, so that a short test sees many, and what is trimmed behind them."""
    monkeypatch.setattr(tend, "LEAST_WEIGHT", 300)
    monkeypatch.setattr(tend, "WEIGHT_OF_BYTE", 0.0)


async def fill(backend: Backend, name: str, count: int) -> list[str]:
    """Append so many names, one after the other."""
    names = [f"<{name}.{number}>" for number in range(count)]
    for expected in names:
        await append(backend, expected)
    return names


# -- They agree


async def test_what_one_writes_the_other_reads_at_once(pogocache: AnyServer, log: str) -> None:
    async with clients(pogocache, log, 2) as (writer, reader):
        for number in range(200):
            await append(writer, f"<{number}>")
            assert len(await read_names(reader)) == number + 1


async def test_the_same_entries_make_the_same_state(pogocache: AnyServer, log: str) -> None:
    """Real scripts by several writers at once; then every replica, and a new one, holds the same, bit by bit."""
    async with clients(pogocache, log, 3) as backends:
        dice = random.Random(1)
        await asyncio.gather(*(_work(Store(backend), dice, number) for number, backend in enumerate(backends)))
        async with client(pogocache, log) as late:
            states = [await _state(backend) for backend in (*backends, late)]
    assert all(state == states[0] for state in states)
    assert len(states[0][1]) >= 5 and states[0][2]


async def _work(store: Store, dice: random.Random, me: int) -> None:
    for number in range(60):
        id = f"{me}-{number}"
        await store.moves.enqueue("q", [Entry(id, SPEC, dice.choice(["", "50", "100000"]))])
        got = await store.moves.exchange("q", f"w{me}", f"n{number}", lease_ms=60_000, limit=2)
        flat = [part for claim in got.claims for part in (claim.id, claim.token, b"1")]
        await store.moves.exchange("q", f"w{me}", f"m{number}", lease_ms=60_000, limit=0, completed=flat)


async def _state(backend: object) -> tuple[int, list[object], int]:
    """Position, every value, digest."""
    await Store(backend).views.queue("q")  # type: ignore[arg-type]
    replica = backend.replica  # type: ignore[attr-defined]
    with replica.lock:
        return replica.machine.position, sorted(map(repr, replica.machine.engine.freeze())), replica.machine.digest


def test_processes_with_different_hash_seeds_agree(pogocache: AnyServer, log: str, crew: Crew) -> None:
    """Every entry says the digest that its writer had before it, so a replica that differs would stop at once."""
    (crew.folder / "read").touch()
    command = [sys.executable, "-m", "tests.pogocache.writer", f"{pogocache.url}/{log}", str(crew.folder)]
    processes = [
        subprocess.Popen([*command, f"w{seed}"], cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": str(seed)})
        for seed in range(3)
    ]
    try:
        until_sync(lambda: all(crew.acked(f"w{seed}") >= 60 for seed in range(3)), 60, "60 appends of each")
        for process in processes:
            process.terminate()
        assert [process.wait(30) for process in processes] == [0, 0, 0]
    finally:
        for process in processes:
            process.kill()
            process.wait(10)


async def test_a_claim_by_one_who_is_behind_does_not_count(pogocache: AnyServer, log: str) -> None:
    """A replica that has not heard of a claim for a while claims something else."""
    async with clients(pogocache, log, 2) as (first, second):
        stores = [Store(first), Store(second)]
        await stores[0].moves.enqueue("q", [Entry(f"j{n}", SPEC) for n in range(40)])
        await stores[1].views.queue("q")
        claimed: list[bytes] = []
        for number in range(20):
            for name, store in zip("ab", stores, strict=True):
                got = await store.moves.exchange("q", name, f"{name}{number}", lease_ms=60_000, limit=1)
                claimed += [claim.id for claim in got.claims]
        assert len(claimed) == len(set(claimed)) == 40


async def test_what_others_make_of_a_call_is_applied_before_the_next_one(pogocache: AnyServer, log: str) -> None:
    """Who submits a job need not wait, with the next one, until all that the worker wrote meanwhile is applied."""
    async with clients(pogocache, log, 2) as (caller, other):
        for number in range(10):
            await append(other, f"<other.{number}>")
            await append(caller, f"<caller.{number}>")
            await append(other, f"<answer.{number}>")
            with contextlib.suppress(AssertionError):
                # The caller looks only for a moment: a slow machine may need several of them.
                await until(lambda: caller.replica.tip().position == other.replica.tip().position, 0.5)
                return
        raise AssertionError("it never applied what was written after its call")


async def test_no_writer_starves(pogocache: AnyServer, log: str) -> None:
    """Sixteen contend for each place; each has its share."""
    async with clients(pogocache, log, 16) as backends:
        counts = [0] * 16
        stop = asyncio.Event()

        async def write(me: int) -> None:
            while not stop.is_set():
                await append(backends[me], f"<{me}.{counts[me]}>")
                counts[me] += 1
                if sum(counts) >= 640:
                    stop.set()

        await asyncio.gather(*map(write, range(16)))
        assert min(counts) >= sum(counts) / 16 / 8, counts


async def test_who_goes_on_waiting_looks_seldom(
    pogocache: AnyServer, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looks are frequent when somebody begins to wait; a worker's wait is cut into pieces, and that is no beginning."""
    looks: list[float] = []
    looked = Replica.looked

    def note(replica: Replica) -> None:
        looks.append(time.monotonic())
        looked(replica)

    monkeypatch.setattr(Replica, "looked", note)
    async with client(pogocache, log) as backend:
        await read_names(backend)
        looks.clear()
        assert await backend.wait(["nexq:{q}:wake"], 0.3) is None
        begun = len(looks)
        assert await backend.wait(["nexq:{q}:wake"], 0.3) is None
        assert await backend.wait(["nexq:{q}:wake"], 0.3) is None
        assert len(looks) - begun < begun, "as often in twice the time, and more"


async def test_what_follows_an_eager_wait_shares_its_entry(pogocache: AnyServer, log: str) -> None:
    async with client(pogocache, log) as producer, client(pogocache, log) as backend:
        keys = [queue_keys("nexq", "q")["wake"]]
        worker, store = Store(backend), Store(producer)
        waiting = asyncio.create_task(backend.wait(keys, 20, eager=True))
        await worker.views.queue("q")
        await store.moves.enqueue("q", [Entry("a", SPEC)])
        assert await waiting == (keys[0], b"1")
        before = backend.replica.machine.position
        reply = await worker.moves.exchange("q", "w", "1", lease_ms=60_000, limit=1)
        assert [c.id for c in reply.claims] == [b"a"]
        assert backend.replica.machine.position == before + 1
        assert await backend.wait(keys, 0.02, eager=True) is None, "the wake-up was taken"
        assert backend.replica.machine.position == before + 1


async def test_of_many_eager_waiters_the_wake_up_is_gone_and_the_job_runs_once(pogocache: AnyServer, log: str) -> None:
    async with clients(pogocache, log, 4) as backends:
        keys = [queue_keys("nexq", "q")["wake"]]
        stores = [Store(backend) for backend in backends]

        async def work(number: int) -> list[bytes]:
            await backends[number].wait(keys, 20, eager=True)
            reply = await stores[number].moves.exchange("q", f"w{number}", "1", lease_ms=60_000, limit=1)
            return [claim.id for claim in reply.claims]

        tasks = [asyncio.create_task(work(number)) for number in range(1, 4)]
        for id in "abc":
            await stores[0].moves.enqueue("q", [Entry(id, SPEC)])
            if waiting := [task for task in tasks if not task.done()]:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        claimed = [id for ids in await asyncio.gather(*tasks) for id in ids]
        assert len(claimed) == len(set(claimed)) >= 1
        counts = (await stores[0].views.queue("q")).counts
        assert counts[JobState.RUNNING] == len(claimed) and counts[JobState.READY] == 3 - len(claimed)


# -- Snapshots and what is trimmed


async def test_who_joins_late_has_everything(pogocache: AnyServer, log: str, small_snapshots: None) -> None:
    async with client(pogocache, log) as first:
        names = await fill(first, "a", 300)
        entries = read_log(pogocache.wire, log)
        assert entries[0].position > 1, "nothing was trimmed: this test sees nothing"
        async with client(pogocache, log) as second:
            assert await read_names(second) == names
            names += await fill(second, "b", 100)
        assert await read_names(first) == names


async def test_the_server_keeps_many_jobs_in_little_room(pogocache: AnyServer, log: str) -> None:
    """Jobs are much alike: entries and snapshots of them are compressed, and give them back as they were."""
    payload = b'{"to": "user@example.com", "subject": "hello", "body": "%s"}' % (b"a word or two, " * 10)
    async with client(pogocache, log) as backend:
        store = Store(backend)
        for first in range(0, 2000, 500):
            entries = [Entry(f"job-{n}", Spec(type="t", payload=payload).pack()) for n in range(first, first + 500)]
            await store.moves.enqueue("mail", entries)
        await tend.make_snapshot(await backend.line.link(), backend.replica)
        keys = pogocache.wire.call("KEYS", f"{log}:*")
        held = sum(len(value or b"") for value in pogocache.wire.call("MGET", *keys))
        assert held < 2 * 2000 * len(payload) / 4, f"{held:,} bytes for the log and a snapshot"
        assert backend.replica.snapshot_at == backend.replica.tip().position
        async with client(pogocache, log) as late:
            assert (await Store(late).views.get("mail", "job-1999")).spec.payload == payload


async def test_snapshots_are_made_under_load_by_all(pogocache: AnyServer, log: str, small_snapshots: None) -> None:
    """Each of four makes some; what one trims another may be just reading."""
    async with clients(pogocache, log, 4) as backends:
        parts = await asyncio.gather(*(fill(backend, f"w{n}", 150) for n, backend in enumerate(backends)))
        for backend in backends:
            assert sorted(await read_names(backend)) == sorted(name for part in parts for name in part)
        async with client(pogocache, log) as late:
            assert await read_names(late) == await read_names(backends[0])
    read_log(pogocache.wire, log)
    count = len(pogocache.wire.call("KEYS", f"{log}:*"))
    assert count < 150, f"{count} keys are left of 600 operations"


@pytest.mark.parametrize("knows", ["entries", "a snapshot", "nothing"])
async def test_a_writer_behind_what_was_trimmed_writes_at_the_end(
    pogocache: AnyServer, log: str, small_snapshots: None, knows: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It finds its place empty, far below the end: what it writes there nobody would read."""
    # Else the slow one is not behind: it applies what others write, for a while after its own call.
    monkeypatch.setattr(line, "FOLLOW_S", 0.0)
    async with clients(pogocache, log, 2) as (fast, slow):
        names: list[str] = []
        if knows == "nothing":  # but that the epoch began
            await read_names(slow)
        else:
            names = await fill(fast, "a", 40)
        if knows == "entries":
            await read_names(slow)
        elif knows == "a snapshot":
            await tend.make_snapshot(await fast.line.link(), fast.replica)
            await read_names(slow)
            assert slow.replica.tip().raw == b"", "it has read entries behind the snapshot"
        names += await fill(fast, "b", 300)
        place = slow.replica.tip().position + 1
        epoch = newest_epoch(pogocache.wire, log)["epoch"]
        names.append("<slow>")
        if knows != "nothing":
            assert not pogocache.wire.call("EXISTS", f"{log}:log:{epoch}:{place}"), "its place was not trimmed"
        assert await append(slow, "<slow>") == len(names)
        assert await read_names(fast) == names


async def test_a_client_killed_in_the_middle_of_a_snapshot(
    server: Pogocache, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At whichever write of a snapshot a client ends, the next one finds a log that is whole."""
    monkeypatch.setattr(tend, "LEAST_WEIGHT", 1 << 40)
    async with client(server, log) as steady:
        names = await fill(steady, "a", 30)
        with FaultProxy(server.address) as proxy:
            for writes in range(12):
                through = Pogocache.__new__(Pogocache)
                through.url = f"pogocache://127.0.0.1:{proxy.port}"
                async with client(through, log, 3.0) as victim:
                    names += await fill(victim, f"b{writes}", 10)
                    await _snapshot_cut_at(proxy, victim, writes)
                proxy.heal()
                async with client(server, log) as late:
                    assert await read_names(late) == names, f"after {writes} writes of a snapshot"
        assert await read_names(steady) == names


async def _snapshot_cut_at(proxy: FaultProxy, victim: object, writes: int) -> None:
    """Make a snapshot; the n-th SET or DEL of it never arrives, nor does anything after it."""
    count = 0

    def is_the_one(request: list[bytes]) -> bool:
        nonlocal count
        count += request[0].upper() in (b"SET", b"DEL")
        return count > writes

    link = await victim.line.link()  # type: ignore[attr-defined]
    proxy.cut_requests(when=is_the_one)
    try:
        await tend.make_snapshot(link, victim.replica)  # type: ignore[attr-defined]
    except Exception as error:
        assert "Lost" in type(error).__name__ or "Unavailable" in type(error).__name__, repr(error)


# -- The server comes back


async def test_who_knows_less_comes_back_first(server: Pogocache, log: str) -> None:
    """What another was told is so, also when one who has not heard of it is the first at the new server."""
    async with clients(server, log, 2) as (behind, ahead):
        await append(behind, "<first>")
        told = {f"<{n}>": await append(ahead, f"<{n}>") for n in range(20)}
        server.restart()
        told["<behind>"] = await append(behind, "<behind>")
        told["<ahead>"] = await append(ahead, "<ahead>")
        names = await read_names(behind)
        assert {name: names.index(name) + 1 for name in told} == told
        assert await read_names(ahead) == names
        assert len(names) == len(set(names)) == 23


async def test_the_clock_does_not_go_back_over_a_restart(server: Pogocache, log: str) -> None:
    async with client(server, log) as backend:
        store, times = Store(backend), []
        for _ in range(3):
            times.append((await store.views.queue("q")).now_ms)
            await append(backend, f"<{len(times)}>")
            server.restart()
        times.append((await store.views.queue("q")).now_ms)
    assert times == sorted(times)
    assert times[-1] - times[0] < 60_000


async def test_a_delayed_job_is_due_on_the_servers_clock(pogocache: AnyServer, log: str) -> None:
    """It is the same for all, whoever set the delay and whoever claims."""
    async with clients(pogocache, log, 2) as backends:
        first, second = map(Store, backends)
        before_ms = (await second.views.queue("q")).now_ms
        await first.moves.enqueue("q", [Entry("soon", SPEC, "150")])

        async def claimed_ms() -> float:
            got = await second.moves.exchange("q", "w", str(time.monotonic_ns()), lease_ms=60_000, limit=1)
            return got.now_ms if got.claims else 0.0

        assert 150 <= await until(claimed_ms, 5.0, "the job to be due") - before_ms < 5_000
