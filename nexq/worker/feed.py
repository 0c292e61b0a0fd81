"""One queue's feed: hands in outcomes and takes claims, in one exchange after the other.

While an exchange is under way jobs go on running and their outcomes gather, so batches grow with the load by
themselves. A lost answer is asked for again with the same nonce; the script answers a repeat with the first answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Protocol

from nexq.backends.base import Arg
from nexq.backoff import Backoff
from nexq.errors import BackendError
from nexq.outcome import Outcome
from nexq.store import Exchanged, Store
from nexq.store.moves import Claim, new_nonce
from nexq.worker.settings import WorkerSettings
from nexq.worker.tally import Sampler, Tally

log = logging.getLogger("nexq.worker")

#: Most claims or outcomes in one exchange.
BATCH = 500
#: An idle worker looks for itself this often, should a wake-up have been lost.
LOOK_S = 120.0
#: Prefetch no more than what would be started within this time.
AHEAD_S = 0.005
#: What was so long ago tells nothing of the jobs to come.
FRESH_S = 0.25


class Slots(Protocol):
    """Where a feed's claims go: the worker's slots."""

    def reserve(self, feed: Feed, ahead: int) -> int:
        """Take this feed's share of the free slots, and up to `ahead` more jobs, for claims to come."""
        ...

    def release(self, reserved: int) -> None:
        """Give back what was reserved: the claims have come."""
        ...

    def left(self) -> None:
        """Slots that were reserved stayed free."""
        ...

    def start(self, feed: Feed, claim: Claim) -> None:
        """Start a claimed job, or keep it until a slot is free."""
        ...


class Feed:
    """The feed of one queue."""

    def __init__(self, store: Store, queue: str, settings: WorkerSettings, slots: Slots, tally: Tally) -> None:
        self.queue = queue
        self._moves = store.moves
        self._settings = settings
        self._slots = slots
        self._tally = tally
        self._keep = settings.keep.pack()
        self._completed: list[Arg] = []
        self._others: list[Arg] = []
        self._outcomes = 0
        self._sampler = Sampler()
        self._kick = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._look = True
        self._more = False
        self._looks = 0
        self._rate = 0.0
        self._server_ms = 0.0
        self._marked = time.monotonic()
        self._loop = asyncio.get_running_loop()
        #: False: hand in outcomes, take no claims.
        self.claiming = True
        self.closing = False
        #: Whether the last look found nothing and nothing has happened since.
        self.idle = False
        self.last_ok_mono = time.monotonic()
        #: When this feed last got slots: for the worker, which lets those go first that waited longest.
        self.turn = 0
        self._under_way = False
        self._hear = False
        #: Why exchanges fail at present, or ''.
        self.trouble = ""

    @property
    def wanting(self) -> bool:
        """Whether it would take slots now."""
        return self.claiming and (self._look or self._more) and not self._under_way

    @property
    def settled(self) -> bool:
        """Whether it found nothing when it last looked, and has handed in everything."""
        return self.idle and not self._outcomes and not self._under_way

    def hear(self, quiet_s: float) -> None:
        """Make a round trip if the last one is longer ago: a full worker too must know that it is heard."""
        if time.monotonic() - self.last_ok_mono > quiet_s:
            self._hear = True
            self._kick.set()

    def look(self) -> None:
        """Something may be ready: look as soon as a slot is free."""
        self._look = True
        self.idle = False
        self._kick.set()

    async def peek(self) -> None:
        """A cheap look while idle: a wake-up may have been lost, and another worker's lease may end soon."""
        asked_mono = time.monotonic()
        ready, deadline_ms = await self._moves.peek(self.queue)
        self.last_ok_mono = asked_mono
        if ready:
            self.look()
        elif deadline_ms is not None:
            self._look_in((deadline_ms - self._server_ms) / 1000 - (asked_mono - self._marked))

    def slot_freed(self) -> None:
        """A slot is free again: go on, if there was more than the slots could take."""
        if self._more or self._look:
            self._kick.set()

    def settle(self, claim: Claim, outcome: Outcome, began_mono: float = 0.0) -> None:
        """Hand an outcome in with the next exchange. `began_mono`: when the run began; 0: there was none."""
        if began_mono:
            self._sampler.note(began_mono)
        if outcome.kind == "complete":
            self._completed += (claim.id, claim.token, outcome.result)
        else:
            self._others += (outcome.kind, claim.id, claim.token, outcome.delay_s * 1000, outcome.detail)
        self._outcomes += 1
        self._kick.set()

    def close(self) -> None:
        """End once every outcome is handed in."""
        self.closing = True
        self._kick.set()

    async def run(self, on_stale: Callable[[bytes], None]) -> None:
        """Exchange until closed. `on_stale` is called with the id of each outcome that came too late."""
        try:
            while True:
                limit = self._limit()
                if self._outcomes == 0 and limit == 0 and not self._hear:
                    if self.closing:
                        return
                    self._kick.clear()
                    await self._kick.wait()
                    continue
                await self._exchange(limit, on_stale)
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _limit(self) -> int:
        """How many jobs to claim now: 0 where nothing calls for a look."""
        if not self.claiming or not (self._look or self._more or self._outcomes):
            return 0
        ahead = 0
        if self._rate * AHEAD_S >= 1 and time.monotonic() - self._marked < FRESH_S:
            ahead = min(self._settings.concurrency, int(self._rate * AHEAD_S))
        return self._slots.reserve(self, ahead)

    async def _exchange(self, limit: int, on_stale: Callable[[bytes], None]) -> None:
        completed, others, n = self._take_outcomes()
        took = self._sampler.take()
        # The flags are read for this exchange; what happens while it is under way sets them anew.
        self._under_way, self._hear = True, False
        if limit:
            self._look = False
        self._looks += 1
        nonce = new_nonce()
        backoff = Backoff(cap_s=0.5)
        while True:
            began_mono = time.monotonic()
            try:
                reply = await self._moves.exchange(
                    self.queue,
                    self._settings.id,
                    nonce,
                    lease_ms=self._settings.lease_s * 1000,
                    limit=limit,
                    tidy=self._looks % 5 == 1,
                    keep=self._keep,
                    completed=completed,
                    others=others,
                    took=took,
                )
                break
            except BackendError as error:
                # Outcomes are never dropped: the same call goes out again until it is answered.
                log.warning("queue %r: %s", self.queue, error)
                self._tally.exchange_failures += 1
                self.trouble = str(error)
                await asyncio.sleep(backoff.next_s())
        self._under_way = False
        self._slots.release(limit)
        self._note(reply, limit, n)
        self._tally.exchanges.note(self.last_ok_mono - began_mono)
        self.trouble = ""
        for claim in reply.claims:
            if claim.spec:
                self._slots.start(self, claim)
        for id in reply.stale:
            on_stale(id)
        if len(reply.claims) < limit:
            self._slots.left()

    def _take_outcomes(self) -> tuple[list[Arg], list[Arg], int]:
        completed, others = self._completed[: 3 * BATCH], self._others[: 5 * BATCH]
        del self._completed[: 3 * BATCH], self._others[: 5 * BATCH]
        taken = len(completed) // 3 + len(others) // 5
        self._outcomes -= taken
        return completed, others, taken

    def _note(self, reply: Exchanged, limit: int, outcomes: int) -> None:
        now = self.last_ok_mono = time.monotonic()
        elapsed_s = max(1e-6, now - self._marked)
        self._marked = now
        # What came before a pause counts for little.
        self._rate += min(1.0, 0.3 + elapsed_s) * (outcomes / elapsed_s - self._rate)
        if limit:
            self._more = len(reply.claims) == limit
            self.idle = not reply.claims
        self._server_ms = reply.now_ms
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._more:
            self._look_in(LOOK_S if reply.next_s is None else reply.next_s)

    def _look_in(self, wait_s: float) -> None:
        """Look after this long, or earlier when that was planned."""
        at = self._loop.time() + max(0.0, min(LOOK_S, wait_s))
        if self._timer is not None:
            if self._timer.when() <= at:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._look_by_timer)

    def _look_by_timer(self) -> None:
        self._timer = None
        self.look()

    def stats(self) -> dict[str, Any]:
        """Figures for the heartbeat."""
        return {"rate": round(self._rate, 1), "idle": self.idle}
