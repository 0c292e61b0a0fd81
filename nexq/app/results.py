"""Waiting for jobs to end: one listening connection for all who wait in this process."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict

from nexq.backoff import Backoff
from nexq.errors import BackendError
from nexq.keys import queue_keys
from nexq.states import JobState
from nexq.store import Store
from nexq.tasks import end

#: A wake-up is a hint and may be lost with its connection: look anew this often.
LOOK_S = 5.0


class Results:
    """Tells callers when jobs end."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._name = secrets.token_hex(8)
        self._waiting: dict[tuple[str, str], list[asyncio.Future[None]]] = defaultdict(list)
        self._keys: dict[str, str] = {}
        self._listener: asyncio.Task[None] | None = None
        self._changing = asyncio.Lock()

    async def ended(self, queue: str, id: str, timeout_s: float | None) -> JobState:
        """Wait until the job has ended or the time is over; returns its state then. Raises JobNotFound."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout_s is None else loop.time() + timeout_s
        while True:
            future = loop.create_future()
            self._waiting[queue, id].append(future)
            try:
                await self._listen_to(queue)
                state = await self._store.moves.watch(queue, id, self._name)
                if state.ended:
                    return state
                left_s = LOOK_S if deadline is None else min(LOOK_S, deadline - loop.time())
                if left_s <= 0:
                    return state
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(future, left_s)
            finally:
                waiters = self._waiting[queue, id]
                waiters.remove(future)
                if not waiters:
                    del self._waiting[queue, id]

    async def aclose(self) -> None:
        """Stop listening."""
        async with self._changing:
            if self._listener is not None:
                await end(self._listener)
            self._listener = None

    async def _listen_to(self, queue: str) -> None:
        key = queue_keys(self._store.namespace, queue)["done"] + self._name
        if key in self._keys and self._listener is not None and not self._listener.done():
            return
        async with self._changing:
            # Only when the one before has ended: a backend takes one wait at a time.
            if self._listener is not None and (key not in self._keys or self._listener.done()):
                await end(self._listener)
                self._listener = None
            self._keys[key] = queue
            if self._listener is None:
                self._listener = asyncio.create_task(self._listen(list(self._keys)))

    async def _listen(self, keys: list[str]) -> None:
        backoff = Backoff()
        while True:
            try:
                told = await self._store.backend.wait(keys, 10.0)
            except BackendError:
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            if told is not None:
                for future in self._waiting.get((self._keys[told[0]], told[1].decode()), ()):
                    if not future.done():
                        future.set_result(None)
