"""memory://: the scripts run inside this process, for tests, notebooks and trials. Nothing is kept.

`memory://name` is the same store wherever this process opens it; `memory://` is a new one, shared with its clones.
Clones may live in other threads: a lock makes each script run alone.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

from nexq.backends.base import Arg, Backend, Reply
from nexq.engine import CommandError, Engine
from nexq.errors import BackendError, BackendUnavailable, ConfigError
from nexq.scripts import Script

_URL = re.compile(r"memory://([\w.-]*)/?\Z", re.ASCII)


class MemoryBackend:
    """A backend inside the process. Raises ConfigError for a URL that is not `memory://` or `memory://name`."""

    def __init__(self, url: str = "memory://") -> None:
        found = _URL.match(url)
        if found is None:
            raise ConfigError(f"{url!r} is not usable: expected memory:// or memory://name (letters, digits, _ . -).")
        self._open(found[1], _named(found[1]) if found[1] else _Store())

    def _open(self, name: str, store: _Store) -> None:
        self._name = name
        self._store = store
        self._waiting: asyncio.Future[None] | None = None
        self._closed = False

    @property
    def url(self) -> str:
        """`memory://` and the store's name."""
        return f"memory://{self._name}"

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """Run a script (see Backend.run). Raises ScriptFailed; BackendUnavailable once closed."""
        await self._give_way()
        return self._store.run(script, [key.encode() for key in keys], [_encode(arg) for arg in args])

    async def wait(self, keys: Sequence[str], timeout_s: float, *, eager: bool = False) -> tuple[str, bytes] | None:
        """Take an element of one of the lists (see Backend.wait): whoever waits longest gets the next one.

        Raises BackendUnavailable once closed, BackendError where a key holds something else than a list.
        """
        await self._give_way()
        waiter = _Waiter([key.encode() for key in keys])
        if not self._store.enlist(waiter) and timeout_s > 0:
            self._waiting = waiter.woken
            try:
                async with asyncio.timeout(timeout_s):
                    await waiter.woken
            except TimeoutError:
                pass  # an element may have come at the last moment
            except BaseException:
                self._store.withdraw(waiter, refuse=True)
                raise
            finally:
                self._waiting = None
        taken = self._store.withdraw(waiter)
        return None if taken is None else (taken.key.decode(), taken.element)

    async def check(self, *, allow_unsafe: bool = False) -> list[str]:
        """There is nothing to check: no warnings."""
        return []

    def dump(self) -> dict[str, Any]:
        """The whole state, fit for JSON (see nexq.engine.Engine.dump)."""
        return self._store.dump()

    def clone(self) -> Backend:
        """Another backend on the same store, for another event loop in any thread."""
        other = MemoryBackend.__new__(MemoryBackend)
        other._open(self._name, self._store)
        return other

    async def aclose(self) -> None:
        """Refuse further calls. The store stays for its other backends, and for its name."""
        self._closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(self._gone())

    async def _give_way(self) -> None:
        # As a call to a server would: a loop that always finds work must not starve its other tasks.
        await asyncio.sleep(0)
        if self._closed:
            raise self._gone()

    def _gone(self) -> BackendUnavailable:
        return BackendUnavailable(f"{self.url}: this backend was closed.")


class _Taken:
    """An element taken from a list; `ttl_ms` is how long the list had to live, below 0 for ever."""

    __slots__ = ("element", "key", "ttl_ms")

    def __init__(self, key: bytes, element: bytes, ttl_ms: int) -> None:
        self.key = key
        self.element = element
        self.ttl_ms = ttl_ms


class _Waiter:
    """One call of `wait`. `taken` is set before `woken` is resolved."""

    __slots__ = ("_loop", "keys", "taken", "woken")

    def __init__(self, keys: list[bytes]) -> None:
        self.keys = keys
        self.taken: _Taken | None = None
        self._loop = asyncio.get_running_loop()
        self.woken: asyncio.Future[None] = self._loop.create_future()

    def wake(self) -> bool:
        """Resolve the future, from any thread. False: its loop is closed, nobody waits any more."""
        try:
            self._loop.call_soon_threadsafe(self._resolve)
        except RuntimeError:
            return False
        return True

    def _resolve(self) -> None:
        if not self.woken.done():
            self.woken.set_result(None)


class _Store:
    """One engine, its lock, and those who wait for its lists, the longest first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engine = Engine()
        self._waiters: dict[bytes, deque[_Waiter]] = {}

    def run(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
        """Run a script and serve those who waited for what it pushed. Raises ScriptFailed."""
        with self._lock:
            try:
                return self._engine.run(script, keys, args)
            finally:
                # A script that failed half-way has pushed what it pushed.
                self._serve(self._engine.take_pushed())

    def dump(self) -> dict[str, Any]:
        """The engine's state."""
        with self._lock:
            return self._engine.dump()

    def enlist(self, waiter: _Waiter) -> bool:
        """Give the waiter an element at once, or put it in the queues of its keys. Returns whether it has one."""
        with self._lock:
            for key in waiter.keys:
                waiter.taken = self._take(key)
                if waiter.taken is not None:
                    return True
            for key in waiter.keys:
                self._waiters.setdefault(key, deque()).append(waiter)
            return False

    def withdraw(self, waiter: _Waiter, *, refuse: bool = False) -> _Taken | None:
        """Take the waiter out of the queues. Returns its element; with `refuse` that goes to the next instead."""
        with self._lock:
            self._forget(waiter)
            taken = waiter.taken
            if refuse and taken is not None:
                self._give_back(taken)
                self._serve([taken.key])
                return None
            return taken

    def _serve(self, pushed: Sequence[bytes]) -> None:
        for key in pushed:
            while (queue := self._waiters.get(key)) and (taken := self._take(key)):
                waiter = queue[0]
                self._forget(waiter)
                waiter.taken = taken
                if not waiter.wake():
                    waiter.taken = None
                    self._give_back(taken)

    def _take(self, key: bytes) -> _Taken | None:
        ttl_ms = self._engine.command(b"PTTL", key)
        try:
            element = self._engine.command(b"LPOP", key)
        except CommandError as error:
            raise BackendError(f"Cannot wait for {key.decode()!r}: {error.text}") from None
        return None if element is None else _Taken(key, element, ttl_ms)

    def _give_back(self, taken: _Taken) -> None:
        self._engine.command(b"LPUSH", taken.key, taken.element)
        if taken.ttl_ms >= 0:
            self._engine.command(b"PEXPIRE", taken.key, taken.ttl_ms + 1)

    def _forget(self, waiter: _Waiter) -> None:
        for key in waiter.keys:
            queue = self._waiters.get(key)
            if queue is not None and waiter in queue:
                queue.remove(waiter)
                if not queue:
                    del self._waiters[key]


_stores: dict[str, _Store] = {}
_stores_lock = threading.Lock()


def _named(name: str) -> _Store:
    with _stores_lock:
        if name not in _stores:
            _stores[name] = _Store()
        return _stores[name]


def _encode(arg: Arg) -> bytes:
    """An argument as a client would send it."""
    if isinstance(arg, bytes):
        return arg
    return (arg if isinstance(arg, str) else repr(arg)).encode()
