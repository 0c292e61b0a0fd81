"""Those who wait for a list to get an element."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Sequence


class Waiter:
    """One call of `wait`. `woken` is resolved when one of its lists got an element."""

    __slots__ = ("_loop", "_thread", "keys", "woken")

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.keys = keys
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self.woken: asyncio.Future[None] = self._loop.create_future()

    def wake(self, error: Exception | None = None) -> None:
        """Resolve the future, from any thread."""
        if threading.get_ident() == self._thread:
            # Its loop runs this: it need not be woken from its sleep.
            self._resolve(error)
            return
        # Where its loop is closed, nobody waits any more.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._resolve, error)

    def _resolve(self, error: Exception | None) -> None:
        if self.woken.done():
            return
        if error is None:
            self.woken.set_result(None)
        else:
            self.woken.set_exception(error)


class Waiting:
    """The waiters of a replica, by key. Not for two threads at once."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, list[Waiter]] = {}

    def add(self, waiter: Waiter) -> None:
        """Have it woken when one of its lists gets an element."""
        for key in waiter.keys:
            self._by_key.setdefault(key, []).append(waiter)

    def remove(self, waiter: Waiter) -> None:
        """Forget it."""
        for key in waiter.keys:
            waiting = self._by_key.get(key)
            if waiting and waiter in waiting:
                waiting.remove(waiter)
                if not waiting:
                    del self._by_key[key]

    def wake(self, key: bytes) -> bool:
        """The list at the key got an element. Returns whether somebody waits for it."""
        waiting = self._by_key.get(key, ())
        for waiter in waiting:
            waiter.wake()
        return bool(waiting)

    def wake_all(self) -> None:
        """The whole state changed."""
        for key in self._by_key:
            self.wake(key)
