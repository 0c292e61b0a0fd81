"""Kills bridges and restarts the broker while messages flow, and counts what became of each message.

A process of its own, in a session of its own, so that nothing can be left running. It is warm when it forks bridges:
hundreds of them are born and killed. A message's number is its payload; whoever runs jobs notes the number of each run
in a file, and the check reads nothing but what the publisher and the runner have noted.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import random
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import aiormq
from pamqp import commands as spec

from nexq import Nexq
from nexq.backends.redis import RedisBackend
from nexq.bridges.rabbitmq import bridge as bridge_module
from nexq.bridges.rabbitmq.batch import Batch
from nexq.bridges.rabbitmq.session import Session
from nexq.store import Store
from nexq.store.moves import new_nonce
from tests.support.rabbitmq import Broker, rabbitmq_script
from tests.support.servers import Server, valkey_binary

DEAD_WITH_PARENT = 1
#: Who does not answer for so long, seconds, is asked anew.
ANSWER_S = 20.0
#: Where a bridge may kill itself; '' is a random time.
POINTS = ("", "", "enqueue.before", "enqueue.after", "settle.before", "settle.after")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done to whom."""

    messages: int
    kills: int
    restarts: int = 0
    prefetch: int = 300
    #: Bridges at once.
    bridges: int = 2
    #: The share of messages without a message_id.
    anonymous: float = 0.0
    #: How long the id of a pruned job is recognised. 0: what the bridge has remembered is all there is.
    tomb_ms: int = 60_000
    #: A change of the bridge that the check has to notice: "forgetful", "hasty".
    mutant: str = ""
    #: Where bridges may kill themselves.
    points: tuple[str, ...] = POINTS
    #: The broker; '': one of our own, which restarts need.
    amqp: str = ""
    seed: int = 1
    limit_s: float = 120.0


class Driver:
    """Runs a plan."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.rng = random.Random(plan.seed)
        self.server = Server(valkey_binary()).start()
        self.broker = None if plan.amqp else Broker(rabbitmq_script(_fail)).start()
        self.amqp = plan.amqp or (self.broker.url if self.broker else "")
        self.queue = f"nexq-test-{secrets.token_hex(6)}"
        self.bridges: dict[int, float] = {}
        self.killed = Counter[str]()

    def run(self) -> dict[str, Any]:
        """Everything, and the report."""
        asyncio.run(declare(self.amqp, self.queue))
        began = time.monotonic()
        others = [self._fork(lambda: publish(self.plan, self.amqp, self.queue, self.folder)), self._fork(self._drain)]
        restarted = 0
        try:
            while time.monotonic() < began + self.plan.limit_s:
                self._reap()
                kills = sum(self.killed.values())
                if self.broker is not None and restarted < min(
                    self.plan.restarts, (kills + 1) * self.plan.restarts // max(1, self.plan.kills)
                ):
                    self._restart(restarted)
                    restarted += 1
                done = kills >= self.plan.kills and restarted >= self.plan.restarts
                if done and self._count() >= self.plan.messages and self._is_empty():
                    self._look_twice()
                    break
                while len(self.bridges) < self.plan.bridges:
                    self._give_birth(mortal=not done)
                for pid, deadline in list(self.bridges.items()):
                    if time.monotonic() > deadline and not done:
                        self._kill(pid)
                time.sleep(0.005)
        finally:
            for pid in (*self.bridges, *others):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
            report = self._report(time.monotonic() - began, restarted)
            with contextlib.suppress(Exception):
                asyncio.run(delete(self.amqp, self.queue))
            self.server.stop()
            if self.broker is not None:
                self.broker.stop()
        return report

    # -- Bridges

    def _give_birth(self, *, mortal: bool) -> None:
        point = self.rng.choice(self.plan.points) if mortal else ""
        nth, seed = self.rng.randint(1, 6), self.rng.random()
        pid = self._fork(lambda: self._bridge(point if mortal else "", nth, seed))
        life_s = self.rng.uniform(0.03, 0.6) if not point else 2.0
        self.bridges[pid] = time.monotonic() + life_s if mortal else float("inf")

    async def _bridge(self, point: str, nth: int, seed: float) -> None:
        hit = Failpoint(point, nth)
        hit.guard(Session, "settle", "settle")
        hit.guard(Batch, "enqueue", "enqueue")
        if self.plan.mutant == "forgetful":
            bridge_module.REMEMBER_S = 0.0
        if self.plan.mutant == "hasty":
            make_hasty()
        app = Nexq(self.server.url, allow_unsafe=True, patience=5)
        await bridge_module.Bridge(app, amqp=self.amqp, amqp_queue=self.queue, prefetch=self.plan.prefetch).run()

    def _kill(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid in list(self.bridges):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                del self.bridges[pid]
                self.killed["killed" if os.WIFSIGNALED(status) else "ended by itself"] += 1

    # -- The others

    def _restart(self, number: int) -> None:
        assert self.broker is not None
        self.broker.end(signal.SIGTERM if number % 2 else signal.SIGKILL)
        self.broker.start()

    async def _drain(self) -> None:
        """Run every job at once, note it, and keep nothing of it."""
        store = Store(RedisBackend(self.server.url))
        keep = f"0 0 0 0 {self.plan.tomb_ms}"
        completed: list[Any] = []
        with (self.folder / "runs").open("a", buffering=1) as runs:
            while True:
                got = await store.moves.exchange(
                    "default",
                    "drain",
                    new_nonce(),
                    lease_ms=600_000,
                    limit=500,
                    keep=keep,
                    completed=completed,
                    tidy=True,
                    slice=500,
                )
                completed = []
                for claim in got.claims:
                    runs.write(claim.spec.rpartition(b"\n")[2].decode() + "\n")
                    completed += (claim.id, claim.token, b"")
                if not got.claims:
                    await asyncio.sleep(0.01)

    def _fork(self, work: Callable[[], Coroutine[Any, Any, None]]) -> int:
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            ctypes.CDLL(None).prctl(DEAD_WITH_PARENT, signal.SIGKILL)
            random.seed()
            asyncio.run(work())
            code = 0
        except BaseException as error:
            with (self.folder / "errors").open("a") as file:
                file.write(f"{error!r}\n")
        finally:
            os._exit(code)

    # -- The check

    def _count(self) -> int:
        path = self.folder / "runs"
        return path.read_bytes().count(b"\n") if path.exists() else 0

    def _is_empty(self) -> bool:
        """Whether the broker has nothing left to deliver."""
        try:
            return asyncio.run(count_left(self.amqp, self.queue)) == 0
        except OSError:
            return False

    def _look_twice(self) -> None:
        """What a bridge had in hand comes again: another one has to settle it, and jobs made of it are run."""
        for pid in self.bridges:
            self._kill(pid)
        while self.bridges:
            self._reap()
        self._give_birth(mortal=False)
        calm, before = 0, -1
        while calm < 10:
            time.sleep(0.1)
            count = self._count()
            calm = calm + 1 if count == before and self._is_empty() else 0
            before = count

    def _report(self, took_s: float, restarted: int) -> dict[str, Any]:
        runs = Counter(int(line) for line in (self.folder / "runs").read_text().split())
        errors = self.folder / "errors"
        return {
            "published": int((self.folder / "published").read_text()) if (self.folder / "published").exists() else 0,
            "lost": [n for n in range(self.plan.messages) if not runs[n]],
            "doubled": [n for n, count in runs.items() if count > 1],
            "kills": self.killed["killed"],
            "ended": self.killed["ended by itself"],
            "restarts": restarted,
            "took_s": took_s,
            "errors": errors.read_text().splitlines() if errors.exists() else [],
        }


class Failpoint:
    """Kills this process right before or after the n-th call of a method."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def guard(self, owner: Any, method: str, name: str) -> None:
        original = getattr(owner, method)

        async def guarded(*args: Any, **how: Any) -> Any:
            self._hit(f"{name}.before")
            answer = await original(*args, **how)
            self._hit(f"{name}.after")
            return answer

        setattr(owner, method, guarded)

    def _hit(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def make_hasty() -> None:
    """A bridge that acknowledges first: what is in hand when it dies is lost."""
    enqueue, settle = Batch.enqueue, Session.settle

    async def hasty(self: Batch, link: Any, remember_s: float) -> None:
        await settle(HASTY[0], self.deliveries, ())
        # Until it is on its way.
        await asyncio.sleep(0.02)
        await enqueue(self, link, remember_s)

    async def take(self: Session, most: int) -> Any:
        HASTY[:] = [self]
        return await original(self, most)

    async def done(*_: Any) -> None: ...

    original = Session.take
    Session.take = take  # type: ignore[method-assign]
    Batch.enqueue = hasty  # type: ignore[method-assign]
    Session.settle = done  # type: ignore[method-assign]


HASTY: list[Session] = []


# -- The broker's side


async def declare(amqp: str, queue: str) -> None:
    """Make the queue."""
    async with asyncio.timeout(ANSWER_S), aiormq.connect(amqp) as connection:
        await (await connection.channel()).queue_declare(queue, durable=True)


async def delete(amqp: str, queue: str) -> None:
    """Drop the queue."""
    async with asyncio.timeout(ANSWER_S), aiormq.connect(amqp) as connection:
        await (await connection.channel()).queue_delete(queue)


async def count_left(amqp: str, queue: str) -> int:
    """Messages in the queue that can be taken, once nobody consumes; and consumers count as one each."""
    async with asyncio.timeout(ANSWER_S), aiormq.connect(amqp) as connection:
        declared = await (await connection.channel()).queue_declare(queue, passive=True)
        return int(declared.message_count or 0)


async def publish(plan: Plan, amqp: str, queue: str, folder: Path) -> None:
    """Publish every message, durable and confirmed, through restarts: what is not confirmed is published again."""
    rng = random.Random(plan.seed)
    ids = [None if rng.random() < plan.anonymous else f"m-{n}" for n in range(plan.messages)]
    todo = list(range(plan.messages))
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    while todo:
        try:
            # A broker that is starting or ending may take a connection and never answer: aiormq would wait for ever.
            async with asyncio.timeout(ANSWER_S):
                connection = await aiormq.connect(amqp)
                channel = await connection.channel()
            while todo:
                batch = todo[:200]
                async with asyncio.timeout(ANSWER_S):
                    await asyncio.gather(*(publish_one(channel, queue, n, ids[n]) for n in batch))
                del todo[: len(batch)]
        except (OSError, aiormq.AMQPError, TimeoutError, asyncio.CancelledError, RuntimeError):
            # A batch that may have arrived in part comes again: the ids are the same.
            await asyncio.sleep(0.2)
    (folder / "published").write_text(str(plan.messages))
    await asyncio.sleep(3600)


async def publish_one(channel: Any, queue: str, n: int, id: str | None) -> None:
    """Publish one message, and wait until the broker has it on disk."""
    properties = spec.Basic.Properties(delivery_mode=2, message_id=id or f"none-{n}")
    if id is None:
        # aiormq makes an id where there is none: take it back before it is written.
        properties.message_id = NoId(f"none-{n}")
    await channel.basic_publish(b'{"type":"t","payload":%d}' % n, routing_key=queue, properties=properties)


class NoId(str):
    """A message id that is not sent."""

    __slots__ = ()

    def __ne__(self, other: object) -> bool:
        return False if other == "" else str.__ne__(self, other)

    def __hash__(self) -> int:
        return str.__hash__(self)


def _fail(reason: str) -> None:
    raise RuntimeError(reason)


def main() -> None:
    """Run what the arguments say."""
    folder = Path(sys.argv[2])
    report = Driver(Plan(**json.loads(sys.argv[1])), folder).run()
    (folder / "report.json").write_text(json.dumps(report))


def encode(plan: Plan) -> str:
    """A plan as the argument of `main`."""
    return json.dumps(asdict(plan))


if __name__ == "__main__":
    main()
