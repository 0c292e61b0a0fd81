"""Whatever dies between a job's end and the message about it: there is exactly one delivery, and it arrives."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from nexq import Nexq
from nexq.backends.redis import RedisBackend
from nexq.doctor import examine
from nexq.states import JobState
from nexq.store import Store
from nexq.store.moves import new_nonce
from nexq.webhooks import Webhook, rotate_key
from tests.support.proxy import FaultProxy
from tests.support.servers import Server
from tests.support.waiting import until
from tests.webhooks.conftest import Receiver, deliveries, working

ROOT = Path(__file__).resolve().parents[2]
JOBS, KILLS = 400, 5


def child(valkey: Server, app: Nexq, how: str) -> subprocess.Popen[bytes]:
    """Start a process that works."""
    command = [sys.executable, "-m", "tests.webhooks.crash_child", valkey.url, app.namespace, how]
    env = {k: v for k, v in os.environ.items() if not k.startswith("NEXQ_")} | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=env)


async def assert_one_each(store: Store, ids: set[str]) -> None:
    """One delivery for each job, and nothing that the doctor complains of."""
    told = Counter(record.payload["job"] for record in await deliveries(store))
    assert told == dict.fromkeys(ids, 1)
    assert [f.as_dict() for f in (await examine(store)).findings if f.code != "server"] == []


async def test_a_worker_that_dies_right_after_it_settled(app: Nexq, receiver: Receiver, valkey: Server) -> None:
    store = await app.store()
    await rotate_key(store)
    job = await app.enqueue("do", webhooks=[Webhook(receiver.url())])
    process = child(valkey, app, "settle")
    assert await asyncio.to_thread(process.wait, 20) == -signal.SIGKILL
    assert await job.state() is JobState.COMPLETED
    (delivery,) = await deliveries(store)
    assert delivery.state is JobState.READY and receiver.got == []
    async with working(app):
        got = await receiver.first()
    assert got.message["data"]["id"] == job.id
    await assert_one_each(store, {job.id})


async def test_workers_killed_while_they_settle_and_deliver(app: Nexq, receiver: Receiver, valkey: Server) -> None:
    store = await app.store()
    await rotate_key(store)
    await store.hooks.add("mail", Webhook(receiver.url()).pack())
    ids = {(await app.enqueue("do", {"what": "fail" if n % 5 == 0 else ""})).id for n in range(JOBS)}
    for kill in range(KILLS):
        process = child(valkey, app, "work")
        try:
            enough = len(receiver.got) + 10
            await until(lambda least=enough: len(receiver.got) >= least, 20.0, what="deliveries")  # type: ignore[misc]
        finally:
            process.kill()
            process.wait(10)
        assert len(receiver.got) < JOBS, f"all was done before kill {kill}"

    async def all_told() -> bool:
        return {m.message["data"]["id"] for m in receiver.got} == ids

    async with working(app, lease_s=0.5):
        await until(all_told, 15.0, what="every job to be told of")
        await until(lambda: _settled(store), 10.0, what="every delivery to be completed")
    await assert_one_each(store, ids)
    # A delivery may arrive twice: always under one id, so that the receiver can tell.
    messages = {(m.headers["webhook-id"], m.message["data"]["id"]) for m in receiver.got}
    assert len(messages) == JOBS


async def _settled(store: Store) -> bool:
    return {record.state for record in await deliveries(store)} == {JobState.COMPLETED}


async def test_a_settle_whose_answer_is_lost_is_told_of_once(app: Nexq, receiver: Receiver, valkey: Server) -> None:
    store = await app.store()
    hooks = [Webhook(receiver.url(), on=("completed", "dead", "cancelled"))]
    jobs = [await app.enqueue("do", webhooks=hooks) for _ in range(12)]
    with FaultProxy(valkey.address) as proxy:
        proxy.drop_replies(every=2, command=b"EVALSHA")
        far = Store(RedisBackend(proxy.url, patience_s=5.0), app.namespace)
        for job in jobs[:3]:
            assert await far.moves.cancel("mail", job.id) is JobState.CANCELLED
        for _ in range(9):
            got = await far.moves.exchange("mail", "w", new_nonce(), lease_ms=60_000, limit=1)
            claims = [c for c in got.claims if c.spec[9:].startswith(b"do\n")]
            flat = [part for c in claims for part in (c.id, c.token, b"1")]
            await far.moves.exchange("mail", "w", new_nonce(), lease_ms=60_000, limit=0, completed=flat)
        assert proxy.counts["drop"] >= 9
        await far.aclose()
    ended = {job.id for job in jobs if (await job.state()).ended}
    assert len(ended) >= 9
    await assert_one_each(store, ended)
