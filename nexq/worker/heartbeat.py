"""The heartbeat: a thread with an event loop and connections of its own.

It renews the leases of all claims in one call per queue, says that the worker lives, and listens for orders, so a
handler that blocks the worker's loop does not lose leases.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

import orjson

from nexq.backoff import Backoff
from nexq.errors import BackendError
from nexq.keys import worker_control_keys
from nexq.store import Store
from nexq.tasks import end
from nexq.worker.running import Stop
from nexq.worker.settings import WorkerSettings
from nexq.worker.usage import Usage

log = logging.getLogger("nexq.worker")

#: An idle worker says that it lives this often, and counts as alive for TTL_S after.
IDLE_BEAT_S = 45.0
TTL_S = 110.0
LISTEN_S = 60.0
#: An order is carried out within this time, and then told of.
ORDER_S = 0.1


class Heartbeat:
    """Keeps a worker's claims and its sign of life fresh.

    claims()       the claims to renew: queue -> [(id, token, monotonic time of the claim)]
    info()         what the worker tells of itself, JSON-able
    on_stop(queue, id, token, why)  called in the heartbeat's thread for a claim that was lost or shall be cancelled
    on_order(text)  called in the heartbeat's thread for any other order
    """

    def __init__(
        self,
        store: Store,
        settings: WorkerSettings,
        *,
        claims: Callable[[], dict[str, list[tuple[bytes, int, float]]]],
        info: Callable[[], dict[str, object]],
        on_stop: Callable[[str, bytes, int, Stop], None],
        on_order: Callable[[str], None],
    ) -> None:
        self._origin = store
        self._settings = settings
        self._claims = claims
        self._info = info
        self._on_stop = on_stop
        self._on_order = on_order
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False
        #: Set when the next beat shall not wait for its time.
        self._now: asyncio.Event | None = None
        self._usage = Usage()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="nexq-heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        self._ready.wait(5.0)

    def stop(self) -> None:
        """Say that the worker leaves, and end the thread."""
        self._stopping = True
        if self._loop is not None and self._now is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._now.set)
        self._thread.join(5.0)

    def _main(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception:
            log.exception("the heartbeat died")

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = asyncio.Event()
        store = self._origin.clone()
        self._ready.set()
        listener = asyncio.create_task(self._listen(store))
        try:
            await self._beat(store)
        finally:
            await end(listener)
            with contextlib.suppress(BackendError, TimeoutError):
                await asyncio.wait_for(store.members.beat(self._settings.id, 0, b"{}"), 2.0)
            await store.aclose()

    async def _beat(self, store: Store) -> None:
        """Every third of a lease: renew what is older than that; tell of oneself when there is news or time."""
        assert self._now is not None
        tick_s = self._settings.lease_s / 3
        told_at, told = 0.0, None
        while True:
            started, urgent = time.monotonic(), self._now.is_set()
            self._now.clear()
            if self._stopping:
                return
            claims = self._claims()
            try:
                for queue, held in claims.items():
                    await self._extend(store, queue, [(id, t) for id, t, at in held if started - at > tick_s / 2])
                info = self._info()
                pause_s = min(IDLE_BEAT_S, 2 * tick_s) if any(claims.values()) or info != told else IDLE_BEAT_S
                if urgent or started - told_at >= pause_s:
                    # What changes all the time is no news.
                    about = info | {"ttl_ms": TTL_S * 1000, **self._usage.look()}
                    await store.members.beat(self._settings.id, TTL_S * 1000, orjson.dumps(about))
                    told_at, told = started, info
            except BackendError as error:
                log.warning("heartbeat: %s", error)
            except Exception:
                # Leases that nobody renews let jobs run twice: whatever it is, go on.
                log.exception("heartbeat")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._now.wait(), max(0.05, tick_s - (time.monotonic() - started)))

    async def _extend(self, store: Store, queue: str, claims: list[tuple[bytes, int]]) -> None:
        if not claims:
            return
        lost, stop = await store.moves.extend(queue, claims, self._settings.lease_s * 1000)
        tokens = dict(claims)
        for id in lost:
            self._on_stop(queue, id, tokens[id], "lost")
        for id in stop:
            self._on_stop(queue, id, tokens[id], "cancel")

    async def _listen(self, store: Store) -> None:
        """Take orders: 'cancel <id> <token>' from a queue's own list, others from the worker's."""
        queues = self._settings.queues
        keys = worker_control_keys(store.namespace, list(queues), self._settings.id)
        queue_of = dict(zip(keys[1:], queues, strict=True))
        backoff = Backoff(cap_s=1.0)
        while True:
            try:
                order = await store.backend.wait(keys, LISTEN_S)
                if order is not None:
                    self._take_order(queue_of.get(order[0], ""), order[1].decode(errors="replace"))
            except BackendError:
                await asyncio.sleep(backoff.next_s())
            except Exception:
                log.exception("taking orders")
                await asyncio.sleep(backoff.next_s())
            else:
                backoff.reset()

    def _take_order(self, queue: str, text: str) -> None:
        match text.split(" "):
            case ["cancel", id, token] if token.isdecimal():
                self._on_stop(queue, id.encode(), int(token), "cancel")
            case _:
                self._on_order(text)
                if self._loop is not None and self._now is not None:
                    # Tell of it as soon as it is done.
                    self._loop.call_later(ORDER_S, self._now.set)
