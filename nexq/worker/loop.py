"""The worker: feeds bring claims, slots run them, outcomes go back with the next exchange."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from typing import Any

import orjson

from nexq.errors import BackendError, WorkerDeaf
from nexq.outcome import Outcome
from nexq.registry import Registry
from nexq.store import Store
from nexq.store.moves import Claim
from nexq.worker.executor import Executor
from nexq.worker.feed import BATCH, Feed
from nexq.worker.heartbeat import Heartbeat
from nexq.worker.running import Running, Stop
from nexq.worker.settings import WorkerSettings
from nexq.worker.waker import Waker

log = logging.getLogger("nexq.worker")

#: Ids of two queues can be equal: a job in hand is known by both.
_Key = tuple[str, bytes]


class Worker:
    """Runs jobs of some queues until stopped. `run()` returns when every job in hand has an outcome handed in."""

    def __init__(self, store: Store, registry: Registry, settings: WorkerSettings) -> None:
        self.settings = settings
        self._store = store
        self._registry = registry
        self._executor = Executor(registry, settings.concurrency)
        self._concurrency = settings.concurrency
        self._running: dict[_Key, Running] = {}
        self._backlog: deque[tuple[Feed, Running]] = deque()
        self._active = 0
        self._reserved = 0
        self._stopping = asyncio.Event()
        self._drained = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._feeds = {q: Feed(store, q, settings, self) for q in settings.queues}
        self._waker = Waker(store, self._feeds, settings.lease_s)
        self._heartbeat = Heartbeat(
            store, settings, claims=self._held, info=self._info, on_stop=self._on_stop, on_order=self._on_order
        )
        self._started_mono = time.monotonic()
        self.done = 0
        self.failed = 0

    # -- Slots, as the feeds see them

    def reserve(self, ahead: int) -> int:
        """Take a feed's share of the free slots, and up to `ahead` more jobs to lie ready (see feed.Slots)."""
        room = self._concurrency - self._active - len(self._backlog) - self._reserved
        share = -(-room // max(1, sum(not f.idle for f in self._feeds.values()))) if room > 0 else room
        reserved = max(0, min(BATCH, share + ahead))
        self._reserved += reserved
        return reserved

    def release(self, reserved: int) -> None:
        """Give back what was reserved (see feed.Slots)."""
        self._reserved -= reserved

    def start(self, feed: Feed, claim: Claim) -> None:
        """Start a claimed job, or keep it in the backlog until a slot is free."""
        running = Running(feed.queue, claim)
        self._running[feed.queue, claim.id] = running
        if self._active < self._concurrency:
            self._launch(feed, running)
        else:
            self._backlog.append((feed, running))

    # -- Life

    @property
    def ready(self) -> bool:
        """Whether each queue had a successful exchange within the watchdog time."""
        return self._silence_s() < self.settings.watchdog_s

    async def run(self) -> None:
        """Work until stopped. Raises WorkerDeaf when the store was silent for the watchdog time."""
        await self._publish()
        self._heartbeat.start()
        feeds = [asyncio.create_task(f.run(self._on_stale), name=f"nexq-feed-{q}") for q, f in self._feeds.items()]
        waker = asyncio.create_task(self._waker.run())
        others = [waker, asyncio.create_task(self._watch(feeds))]
        try:
            await self._stopping.wait()
            # Who claims no more must not take wake-ups that others could use.
            waker.cancel()
            await asyncio.wait([waker])
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
        try:
            outcome = await self._executor.run(running)
        except asyncio.CancelledError:
            # Cancelled before its first step.
            outcome = Outcome("cancel") if running.stop == "cancel" else Outcome("release")
        self._finish(feed, running, outcome)

    def _finish(self, feed: Feed, running: Running, outcome: Outcome) -> None:
        del self._running[running.queue, running.claim.id]
        self._active -= 1
        if outcome.kind == "complete":
            self.done += 1
        else:
            self.failed += 1
            _log_outcome(running, outcome)
        if running.stop != "lost":
            feed.settle(running.claim, outcome)
        self._fill()
        if self._active == 0 and self._stopping.is_set():
            self._drained.set()

    def _fill(self) -> None:
        """Start what waits in the backlog; ask for more where there is room."""
        while self._backlog and self._active < self._concurrency:
            self._launch(*self._backlog.popleft())
        if self._active < self._concurrency:
            self._waker.hungry.set()
            for feed in self._feeds.values():
                feed.slot_freed()

    # -- Stopping

    async def _drain(self) -> None:
        """Give the backlog back, wait for running jobs within the grace, then stop and give back the rest."""
        for feed in self._feeds.values():
            feed.claiming = False
        while self._backlog:
            feed, running = self._backlog.popleft()
            del self._running[running.queue, running.claim.id]
            feed.settle(running.claim, Outcome("release"))
        if self._active:
            log.info("stopping: %d jobs are running, up to %g s are given", self._active, self.settings.grace_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), self.settings.grace_s)
        tasks = [r.task for r in self._running.values() if r.task is not None]
        for running in list(self._running.values()):
            running.ask_to_stop("shutdown")
        if tasks:
            await asyncio.wait(tasks, timeout=5.0)
        for running in list(self._running.values()):
            # It does not react (a thread): its job is given back all the same, its settle would be refused.
            self._feeds[running.queue].settle(running.claim, Outcome("release"))

    async def _pass_on(self) -> None:
        """Wake another worker: a wake-up may have gone to this one as it left."""
        for queue in self._feeds:
            with contextlib.suppress(BackendError, TimeoutError):
                await asyncio.wait_for(self._store.moves.wake(queue), 1.0)

    async def _watch(self, feeds: list[asyncio.Task[None]]) -> None:
        """Never deaf: give up when the store was silent too long. In a burst: stop when nothing is left."""
        while not self._stopping.is_set():
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
            if self.settings.burst and not self._running and all(f.idle for f in self._feeds.values()):
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
            "state": "draining" if self._stopping.is_set() else "running",
        }

    def _on_stop(self, id: bytes, why: Stop) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop_job, id, why)

    def _on_order(self, text: str) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._obey, text)

    # -- On the loop again

    def _stop_job(self, id: bytes, why: Stop) -> None:
        for queue in self._feeds:
            running = self._running.get((queue, id))
            if running is None:
                continue
            if running.task is None:
                self._drop_from_backlog(running, why)
            else:
                if why == "lost":
                    log.warning("job %s: its lease was lost; it is stopped here", id.decode())
                running.ask_to_stop(why)

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
        if verb == "concurrency" and argument.isdigit():
            self.set_concurrency(int(argument))
        elif verb == "stop":
            self.stop()
        elif verb in ("drain", "resume"):
            for feed in self._feeds.values():
                feed.claiming = verb == "resume"
                feed.look()
        else:
            log.warning("an order that is not known: %r", text)

    def _on_stale(self, id: bytes) -> None:
        log.warning("job %s: its outcome came too late, its lease had gone to another", id.decode())

    async def _publish(self) -> None:
        """Make the queues and handlers known. Not worth failing for: tried again by nobody, missed by a listing."""
        try:
            for queue in self._feeds:
                await self._store.members.register(queue)
            await self._store.members.register("", {h.name: h.about() for h in self._registry})
        except BackendError as error:
            log.warning("the handlers could not be made known: %s", error)


def _log_outcome(running: Running, outcome: Outcome) -> None:
    level = logging.ERROR if outcome.kind == "bury" else logging.WARNING if outcome.kind == "retry" else logging.INFO
    wait = f" in {outcome.delay_s:.3g} s" if outcome.delay_s else ""
    error = orjson.loads(outcome.detail)
    why = ": ".join(str(error[k]) for k in ("type", "message") if error.get(k))
    log.log(level, "job %s: %s%s%s", running.claim.id.decode(), outcome.kind, wait, f" ({why[:300]})" if why else "")
