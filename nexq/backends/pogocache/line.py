"""One event loop's line to the log: its calls, one entry under way at a time, and those who wait for others'.

Calls that come while an entry is under way gather, and go out together in the next one: batches grow with the load by
themselves. An entry whose fate is unknown is sent again, the same bytes to the same place, until it is known who stands
there: a call is never in the log twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
from collections import deque

from nexq.backends.pogocache.calls import Batch, Call, gather
from nexq.backends.pogocache.chain import Epoch
from nexq.backends.pogocache.end import catch_up, look, propose, sync
from nexq.backends.pogocache.member import Member
from nexq.backends.pogocache.replica import Replica
from nexq.backends.pogocache.tend import AUDIT_S, make_snapshot, snapshot_due, tend
from nexq.backends.pogocache.waiting import Waiter
from nexq.backends.pogocache.watch import Watch
from nexq.backends.pogocache.wire import Link, pack
from nexq.backends.wire import WireLost
from nexq.backoff import Backoff
from nexq.errors import BackendError, BackendUnavailable, ScriptFailed
from nexq.tasks import end

log = logging.getLogger("nexq.backend")

#: How long a snapshot that is being made may take to end when the line is closed.
SNAPSHOT_S = 5.0
#: For so long after a call the log is looked at: this often at first, then when a quarter of the time has passed again.
FOLLOW_S = 0.5
FOLLOW_LEAST_S = 0.004

_orders = itertools.count()


class Line:
    """The calls of one event loop."""

    def __init__(self, replica: Replica, timeout_s: float) -> None:
        self.replica = replica
        self.order = next(_orders)
        self.trouble: Exception | None = None
        self._member = Member(replica, timeout_s)
        self._writer = secrets.token_bytes(8)
        replica.own.add(self._writer)
        self._number = 0
        self._calls: deque[Call] = deque()
        self._reads: deque[Call] = deque()
        self._batch: Batch | None = None
        self._worker: asyncio.Task[None] | None = None
        self._looker: asyncio.Task[None] | None = None
        self._follower: asyncio.Task[None] | None = None
        self._worked_mono = 0.0
        self._snapshot: asyncio.Task[None] | None = None
        self._waiters: set[Waiter] = set()
        self._asked: tuple[Epoch | None, int, bytes] = (None, 0, b"")
        self._watch = Watch(replica.target, timeout_s, self._next_watch_s, self._question)

    # -- What is asked of it

    def submit(self, call: Call) -> None:
        """Take a call; its future will be resolved."""
        if self._member.closed:
            call.fail(self._member.gone())
            return
        (self._reads if call.script.read_only else self._calls).append(call)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work(), name="nexq-pogocache-calls")

    def drop(self, call: Call) -> None:
        """Forget a call that nobody waits for any more, unless it is under way."""
        for queue in (self._calls, self._reads):
            with contextlib.suppress(ValueError):
                queue.remove(call)

    async def refresh(self) -> None:
        """Apply everything that was written before. Raises BackendUnavailable, LogError."""
        link = await self.link()
        try:
            await self._member.do(link, sync)
        except WireLost as error:
            raise BackendUnavailable(f"{self.replica.target.shown}: {error}.") from None

    def enlist(self, waiter: Waiter, *, anew: bool = True) -> None:
        """Have the log looked at while the waiter waits; often at first, where it begins to wait anew."""
        self._waiters.add(waiter)
        self.replica.enlist(waiter, anew=anew)
        if anew:
            self._watch.ring()
        if self._looker is None or self._looker.done():
            self._looker = asyncio.create_task(self._keep_looking(), name="nexq-pogocache-looks")

    def withdraw(self, waiter: Waiter) -> None:
        """The waiter waits no more."""
        self._waiters.discard(waiter)
        self.replica.withdraw(waiter)
        if not self._waiters:
            self._watch.ring()

    async def link(self) -> Link:
        """The connection, with the replica in the server's epoch. Raises BackendUnavailable, LogError, ConfigError."""
        return await self._member.linked()

    async def aclose(self) -> None:
        """Close the connection; calls fail."""
        self._member.closed = True
        self._watch.close()
        if self._snapshot is not None:
            # Half a snapshot is of no use, and nobody else would clear it away.
            await asyncio.wait([self._snapshot], timeout=SNAPSHOT_S)
        for task in (self._worker, self._looker, self._follower, self._snapshot):
            if task is not None:
                await end(task)
        self._fail_all(self._member.gone())
        for waiter in list(self._waiters):
            waiter.wake(self._member.gone())
        await self._member.aclose()

    # -- The calls

    async def _work(self) -> None:
        """Turn after turn, until nothing is wanted."""
        backoff = Backoff(cap_s=0.5)
        # What one event makes several tasks ask for goes out together.
        await asyncio.sleep(0)
        while self._calls or self._reads or self._batch:
            try:
                await self._turn()
                self.trouble = None
                backoff.reset()
            except (BackendUnavailable, WireLost) as error:
                self.trouble = error
                await asyncio.sleep(backoff.next_s())
            except Exception as error:
                if not isinstance(error, BackendError | ValueError):
                    log.exception("the log's line failed")
                self._fail_all(error)
        self._worked_mono = time.monotonic()
        if not self.replica.rests():
            self._watch.ring()
        if self.replica.has_others() and (self._follower is None or self._follower.done()):
            self._follower = asyncio.create_task(self._follow(), name="nexq-pogocache-follows")

    async def _follow(self) -> None:
        """Apply what others make of the calls at once, so that the next call need not wait until that is done."""
        while (since_s := time.monotonic() - self._worked_mono) < FOLLOW_S:
            await asyncio.sleep(max(FOLLOW_LEAST_S, since_s / 4))
            if self.replica.lookers or (self._worker is not None and not self._worker.done()):
                return  # others look, or will
            try:
                self.replica.looked()
                await self._member.do(await self.link(), look)
            except (BackendError, WireLost, ValueError):
                return  # the next call will tell

    async def _turn(self) -> None:
        link = await self.link()
        reads = len(self._reads)
        if self._batch is None:
            self._batch = gather(self._calls, self._number + 1)
            self._number += self._batch is not None
        if self._batch is not None:
            await self._member.do(link, self._settle)
        elif reads:
            await self._member.do(link, sync)
        for _ in range(min(reads, len(self._reads))):
            self._read(self._reads.popleft())
        await self._tend(link)

    async def _tend(self, link: Link) -> None:
        await self._member.do(link, tend)
        if snapshot_due(self.replica):
            self.replica.snapshotting = True
            self._snapshot = asyncio.create_task(self._make_snapshot(link), name="nexq-pogocache-snapshot")

    async def _make_snapshot(self, link: Link) -> None:
        """Make a snapshot beside the calls."""
        try:
            await make_snapshot(link, self.replica)
        except (BackendUnavailable, WireLost) as error:
            log.info("%s: no snapshot now: %s", self.replica.target.shown, error)
        finally:
            self.replica.snapshotting = False

    async def _settle(self, link: Link, replica: Replica) -> None:
        """Bring the batch into the log and answer its calls. Raises Unsound, WireLost, LogError."""
        batch = self._batch
        assert batch is not None
        while True:
            await self._member.carry(link, replica)
            known, answers = replica.outcome(self._writer, batch.number)
            if known:
                if not batch.sound:
                    await sync(link, replica)
                if replica.journal is not None:
                    await asyncio.to_thread(replica.journal.sync)
                self._batch = None
                batch.answer(answers)
                return
            if replica.clock is None or not replica.clock.heard:
                await sync(link, replica)
            elif not batch.raw and replica.may_be_behind():
                # Others write too: a look is cheaper than an entry that comes too late.
                await look(link, replica)
            tip = replica.tip()
            batch.place(self.replica, self._writer, tip)
            if not batch.calls:
                self._batch = None
                return
            batch.sound = False
            if await propose(link, replica, tip, batch.raw):
                replica.apply(batch.raw)
                batch.sound = True
            else:
                await catch_up(link, replica)

    def _read(self, call: Call) -> None:
        if call.future.done():
            return
        try:
            call.answer(self.replica.peek(call.script, call.keys, call.args))
        except ScriptFailed as error:
            call.fail(error)

    def _fail_all(self, error: Exception) -> None:
        calls = [*(self._batch.calls if self._batch else ()), *self._calls, *self._reads]
        self._batch = None
        self._calls.clear()
        self._reads.clear()
        for call in calls:
            call.fail(error)

    # -- Looking for what others write

    async def _keep_looking(self) -> None:
        """Look at the log's end as long as somebody waits: often while things happen, seldom when not."""
        lookers = self.replica.lookers
        lookers.append(self)
        try:
            while self._waiters:
                if self._watch.usable and self._next_watch_s() is not None:
                    await self._watch_till_news()
                elif (wait_s := self.replica.look_in_s(self)) > 0:
                    await asyncio.sleep(wait_s)
                    continue
                else:
                    self.replica.looked()
                    await self._member.do(await self.link(), look)
                await self._tend(await self.link())
        except (BackendError, WireLost, ValueError) as error:
            if isinstance(error, WireLost):
                error = BackendUnavailable(f"{self.replica.target.shown}: {error}.")
            for waiter in self._waiters:
                waiter.wake(error)
        finally:
            lookers.remove(self)

    def _next_watch_s(self) -> float | None:
        """In how many seconds the thread looks next; None where it is not its turn: things happen, the log is to be
        looked over, or another line leads."""
        replica = self.replica
        if time.monotonic() - replica.audited_mono >= AUDIT_S or not replica.rests() or not replica.leads(self):
            return None
        return replica.look_in_s(self)

    def _question(self) -> bytes:
        """The packed command that asks for the next entry, made anew only where there is another one."""
        self.replica.looked()
        epoch, position, packed = self._asked
        if epoch is not self.replica.epoch or position != self.replica.machine.position:
            tip = self.replica.tip()
            packed = pack(("GET", self.replica.keys.entry(tip.epoch.epoch, tip.position + 1)))
            self._asked = tip.epoch, tip.position, packed
        return packed

    async def _watch_till_news(self) -> None:
        link = await self.link()
        raw = await self._watch.news()
        if raw is not None:
            found = raw

            async def take(link: Link, replica: Replica) -> None:
                replica.apply(found)
                await catch_up(link, replica)

            await self._member.do(link, take)
