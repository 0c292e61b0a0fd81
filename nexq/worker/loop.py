"""The worker: feeds bring claims, slots run them, outcomes go back with the next exchange."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import platform
import time
from collections import deque
from typing import Any

from nexq.errors import BackendError, WorkerDeaf
from nexq.outcome import Outcome
from nexq.registry import Registry
from nexq.store import Store
from nexq.store.moves import Claim
from nexq.tasks import end
from nexq.webhooks.deliver import deliver_spec
from nexq.worker.executor import Executor, broken
from nexq.worker.feed import BATCH, Feed
from nexq.worker.heartbeat import Heartbeat
from nexq.worker.readiness import why_not_ready
from nexq.worker.report import log_outcome, publish
from nexq.worker.reporter import Reporter
from nexq.worker.running import Running, Stop
from nexq.worker.settings import WorkerSettings
from nexq.worker.tally import Gauges, Tally
from nexq.worker.traced import watched
from nexq.worker.usage import nexq_version
from nexq.worker.waker import Waker

log = logging.getLogger("nexq.worker")

#: A claimed job that found no slot within this time is given back.
HOARD_S = 0.5
#: Ids of two queues can be equal: a job in hand is known by both.
_Key = tuple[str, bytes]


class Worker:
    """Runs jobs of some queues until stopped. `run()` returns when every job in hand has an outcome handed in."""

    def __init__(self, store: Store, registry: Registry, settings: WorkerSettings) -> None:
        self.settings = settings
        self._store = store
        self._registry = registry
        self._reporter = Reporter(store)
        built_in = [deliver_spec(store, settings.webhook_allow)]
        self._executor = Executor(registry, settings.id, built_in, self._reporter.open, settings.job_log)
        self._concurrency = settings.concurrency
        self._running: dict[_Key, Running] = {}
        self._backlog: deque[tuple[Feed, Running]] = deque()
        self._active = self._reserved = self._turn = 0
        self._claiming = True
        self._stopping = asyncio.Event()
        self._drained = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.tally = Tally(h.name for h in registry)
        self._run = watched(self._executor.run, self.tally, settings)
        self._feeds = {q: Feed(store, q, settings, self, self.tally) for q in settings.queues}
        self._waker = Waker(store, self._feeds, settings.lease_s)
        self._heartbeat = Heartbeat(
            store, settings, claims=self._held, info=self._info, on_stop=self._on_stop, on_order=self._on_order
        )
        self._started_ms = int(time.time() * 1000)
        self.done = 0
        self.failed = 0

    # -- Slots, as the feeds see them

    def reserve(self, feed: Feed, ahead: int) -> int:
        """Take a feed's share of the free slots, and up to `ahead` more jobs to lie ready (see feed.Slots).

        Where slots are fewer than the feeds that want them, those that waited longest come first.
        """
        room = self._concurrency - self._active - len(self._backlog) - self._reserved
        rivals = [f for f in self._feeds.values() if f.wanting and f is not feed] if len(self._feeds) > 1 else ()
        if rivals:
            ahead = 0
            if room > len(rivals):
                room = -(-room // (len(rivals) + 1))
            elif room > 0:
                if sum(f.turn < feed.turn for f in rivals) >= room:
                    for rival in rivals:
                        rival.slot_freed()
                    return 0
                room = 1
        reserved = max(0, min(BATCH, room + ahead))
        if reserved:
            self._turn += 1
            feed.turn = self._turn
        self._reserved += reserved
        return reserved

    def release(self, reserved: int) -> None:
        """Give back what was reserved (see feed.Slots)."""
        self._reserved -= reserved

    def left(self) -> None:
        """Slots that were reserved stayed free: who else could use them? (see feed.Slots)"""
        for feed in self._feeds.values():
            feed.slot_freed()

    def start(self, feed: Feed, claim: Claim) -> None:
        """Start a claimed job, or keep it in the backlog until a slot is free."""
        key = feed.queue, claim.id
        if self._stopping.is_set():
            # Its exchange was under way when the stop came.
            feed.settle(claim, Outcome("release"))
            return
        if key in self._running:
            self._start_again(feed, self._running[key], claim)
            return
        running = self._running[key] = Running(feed.queue, claim)
        if self._active < self._concurrency:
            self._launch(feed, running)
        else:
            self._backlog.append((feed, running))

    def _start_again(self, feed: Feed, running: Running, claim: Claim) -> None:
        """A lease ran out, and the job came back to the very worker that still has it: it goes on by the new claim."""
        if running.stop:
            feed.settle(claim, Outcome("release", delay_s=1.0))
        else:
            log.warning("job %s: its lease ran out and came back; it goes on", claim.id.decode())
            running.claim = claim

    # -- Life

    @property
    def ready(self) -> bool:
        """Whether each queue had a successful exchange within the watchdog time."""
        return self._silence_s() < self.settings.watchdog_s

    async def why_not_ready(self) -> str:
        """Why it does not take and run jobs, or ''. Makes a round trip where the last one is not fresh.

        To be called on the worker's loop: that it answers says that no handler blocks the loop.
        """
        if self._stopping.is_set():
            return "it is stopping"
        if not self._claiming:
            return "it was told to claim no more"
        if not self.ready:
            return f"no successful round trip for {self._silence_s():.0f} s"
        return await why_not_ready(self._feeds.values(), self._store.moves)

    def gauges(self) -> Gauges:
        """How full it is, and how long the server has been silent. May be read in any thread."""
        return Gauges(self._concurrency, self._active, len(self._backlog), self._silence_s())

    async def run(self) -> None:
        """Work until stopped. Raises WorkerDeaf when the store was silent for the watchdog time."""
        await publish(self._store, self._feeds, self._registry)
        self._heartbeat.start()
        feeds = [asyncio.create_task(f.run(self._on_stale), name=f"nexq-feed-{q}") for q, f in self._feeds.items()]
        waker = asyncio.create_task(self._waker.run())
        others = [waker, asyncio.create_task(self._watch(feeds))]
        try:
            await self._stopping.wait()
            # At once: a claim that comes now is given back, and must not be claimed again by the same exchange.
            self._claim(False)
            # Who claims no more must not take wake-ups that others could use.
            await end(waker)
            await self._drain()
            for feed in self._feeds.values():
                feed.close()
            _, late = await asyncio.wait(feeds, timeout=max(5.0, self.settings.lease_s / 2))
            if late:
                log.warning("some outcomes could not be handed in; their jobs run again when the leases end")
            else:
                await self._pass_on()
        finally:
            for task in (*feeds, *others):
                task.cancel()
            results = await asyncio.gather(*feeds, *others, return_exceptions=True)
            await self._reporter.aclose()
            await asyncio.to_thread(self._heartbeat.stop)
            await self._executor.aclose()
        for result in results:
            if isinstance(result, WorkerDeaf):
                raise result

    def stop(self) -> None:
        """Stop claiming, let running jobs end within the grace, then give the rest back."""
        self._stopping.set()

    def hurry(self) -> None:
        """Give running jobs back now instead of waiting for the grace."""
        self._stopping.set()
        self._drained.set()

    def set_concurrency(self, concurrency: int) -> None:
        """Change how many jobs run at once."""
        self._concurrency = max(1, min(10_000, concurrency))
        self._fill()

    # -- One job

    def _launch(self, feed: Feed, running: Running) -> None:
        self._active += 1
        running.task = self._loop.create_task(self._carry(feed, running))
        if self._active >= self._concurrency:
            self._waker.hungry.clear()

    async def _carry(self, feed: Feed, running: Running) -> None:
        """Run the job, hand its outcome in, free its slot."""
        began_mono = time.monotonic()
        try:
            outcome = await self._run(running)
        except BaseException as error:
            log.exception("job %s cannot be run", running.claim.id.decode())
            outcome = broken(error)
        self._finish(feed, running, outcome, began_mono)

    def _finish(self, feed: Feed, running: Running, outcome: Outcome, began_mono: float) -> None:
        del self._running[running.queue, running.claim.id]
        self._active -= 1
        if outcome.kind == "complete":
            self.done += 1
        else:
            self.failed += 1
            if outcome.kind not in ("retry", "bury"):
                # It was given back, put off or cancelled: how long that took says nothing of the work.
                began_mono = 0.0
            log_outcome(running, outcome, self.settings.id)
        if running.stop != "lost":
            feed.settle(running.claim, outcome, began_mono)
        self._fill()
        if self._active == 0 and self._stopping.is_set():
            self._drained.set()

    def _fill(self) -> None:
        """Start what waits in the backlog; ask for more where there is room."""
        while self._backlog and self._active < self._concurrency:
            self._launch(*self._backlog.popleft())
        if self._active < self._concurrency and self._claiming:
            self._waker.hungry.set()
            for feed in self._feeds.values():
                feed.slot_freed()

    # -- Stopping

    async def _drain(self) -> None:
        """Give the backlog back, wait for running jobs within the grace, then stop and give back the rest."""
        self._give_back()
        if self._active:
            log.info("stopping: %d jobs are running, up to %g s are given", self._active, self.settings.grace_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), self.settings.grace_s)
        # A task that is cancelled before its first step would end without an outcome.
        await asyncio.sleep(0)
        tasks = [r.task for r in self._running.values() if r.task is not None]
        for running in list(self._running.values()):
            running.ask_to_stop("shutdown")
        if tasks:
            await asyncio.wait(tasks, timeout=5.0)
        for running in list(self._running.values()):
            # It does not react (a thread): its job is given back all the same, its settle would be refused.
            self._feeds[running.queue].settle(running.claim, Outcome("release"))

    def _claim(self, on: bool) -> None:
        """Claim, or claim no more. Who does not claim takes no wake-ups either."""
        self._claiming = on
        for feed in self._feeds.values():
            feed.claiming = on
            feed.look()
        if on:
            self._fill()
        else:
            self._waker.hungry.clear()

    def _give_back(self) -> None:
        """Give the backlog back."""
        while self._backlog:
            feed, running = self._backlog.popleft()
            del self._running[running.queue, running.claim.id]
            feed.settle(running.claim, Outcome("release"))

    async def _pass_on(self) -> None:
        """Wake another worker: a wake-up may have gone to this one as it left."""
        for queue in self._feeds:
            with contextlib.suppress(BackendError, TimeoutError):
                await asyncio.wait_for(self._store.moves.wake(queue), 1.0)

    async def _watch(self, feeds: list[asyncio.Task[None]]) -> None:
        """Never deaf: give up when the store was silent too long. In a burst: stop when nothing is left."""
        while not self._stopping.is_set():
            if self._backlog and time.monotonic() - self._backlog[0][1].claimed_mono > HOARD_S:
                # Claimed when jobs were short, and now they are long: others may be free.
                self._give_back()
            for feed in self._feeds.values():
                feed.hear(self.settings.watchdog_s / 3)
            if self._silence_s() > self.settings.watchdog_s:
                self.hurry()
                limit_s = self.settings.watchdog_s
                raise WorkerDeaf(
                    f"No successful claim round trip for {self._silence_s():.0f} s (watchdog: {limit_s:g} s)."
                )
            for task in feeds:
                if task.done() and not task.cancelled() and task.exception() is not None:
                    self.hurry()
                    raise WorkerDeaf(f"A feed failed: {task.exception()!r}") from task.exception()
            if self.settings.burst and not self._running and all(f.settled for f in self._feeds.values()):
                self.stop()
                return
            await asyncio.sleep(0.02 if self.settings.burst else min(1.0, self.settings.watchdog_s / 4))

    def _silence_s(self) -> float:
        return time.monotonic() - min(f.last_ok_mono for f in self._feeds.values())

    # -- What the heartbeat asks and tells (in its thread)

    def _held(self) -> dict[str, list[tuple[bytes, int, float]]]:
        held: dict[str, list[tuple[bytes, int, float]]] = {}
        for running in list(self._running.values()):
            held.setdefault(running.queue, []).append((running.claim.id, running.claim.token, running.claimed_mono))
        return held

    def _info(self) -> dict[str, Any]:
        return {
            "host": os.uname().nodename,
            "pid": os.getpid(),
            "queues": list(self._feeds),
            "handlers": sorted(h.name for h in self._registry),
            "concurrency": self._concurrency,
            "running": self._active,
            "done": self.done,
            "failed": self.failed,
            "state": "draining" if self._stopping.is_set() else "running" if self._claiming else "paused",
            "claiming": self._claiming,
            "version": nexq_version(),
            "python": platform.python_version(),
            "started_ms": self._started_ms,
        }

    def _on_stop(self, queue: str, id: bytes, token: int, why: Stop) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop_job, queue, id, token, why)

    def _on_order(self, text: str) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._obey, text)

    # -- On the loop again

    def _stop_job(self, queue: str, id: bytes, token: int, why: Stop) -> None:
        running = self._running.get((queue, id))
        if running is None or running.claim.token != token:
            # It has ended, or is run anew by a later claim.
            return
        if running.task is None:
            self._drop_from_backlog(running, why)
            return
        if why == "lost":
            log.warning("job %s: its lease was lost; it is stopped here", id.decode())
            self.tally.leases_lost += 1
        # A task that is cancelled before its first step would end without an outcome; this comes after that.
        self._loop.call_soon(running.ask_to_stop, why)

    def _drop_from_backlog(self, running: Running, why: Stop) -> None:
        for item in self._backlog:
            if item[1] is running:
                self._backlog.remove(item)
                del self._running[running.queue, running.claim.id]
                if why == "cancel":
                    item[0].settle(running.claim, Outcome("cancel"))
                return

    def _obey(self, text: str) -> None:
        verb, _, argument = text.partition(" ")
        if verb == "concurrency" and argument.isdecimal():
            self.set_concurrency(int(argument))
        elif verb == "stop":
            self.stop()
        elif verb in ("drain", "resume"):
            self._claim(verb == "resume")
        else:
            log.warning("an order that is not known: %r", text)

    def _on_stale(self, id: bytes) -> None:
        self.tally.stale += 1
        log.warning("job %s: its outcome came too late, its lease had gone to another", id.decode())
