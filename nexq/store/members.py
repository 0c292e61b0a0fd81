"""What belongs to no queue: the workers' signs of life, the list of queues, the handlers that are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from nexq.backends.base import Arg, Backend
from nexq.keys import SYSTEM_TAG, system_keys
from nexq.scripts import load


class Members:
    """The register of one namespace on one backend."""

    def __init__(self, backend: Backend, namespace: str = "nexq", *, now_ms: str = "") -> None:
        self.backend = backend
        self.namespace = namespace
        self.now_ms = now_ms

    async def register(self, queue: str = "", handlers: Mapping[str, bytes] | None = None) -> float:
        """Note a queue, and handlers with what is known of them (JSON). Returns for how many seconds from now
        somebody listens to every queue."""
        args: list[Arg] = [queue]
        for name, about in (handlers or {}).items():
            args += (name, about)
        return int((await self._run("register", *args))[1]) / 1000

    async def listen_all(self, ttl_s: float) -> None:
        """Have queues that are new listened to from their first job on, for ttl_s from now."""
        await self._run("listen_all", ttl_s * 1000)

    async def beat(self, worker: str, ttl_ms: float, info: bytes) -> float:
        """Say that a worker lives, for ttl_ms from now; 0: it leaves. Returns the server's time in ms."""
        reply = await self._run("beat", worker, ttl_ms, info)
        return float(reply[1]) / 1000

    async def order(self, worker: str, text: str) -> None:
        """Tell a worker: 'concurrency <n>', 'drain' (claim no more), 'resume', 'stop'."""
        script = load("order")
        keys = script.bind_keys(system_keys(self.namespace))
        await self.backend.run(script, SYSTEM_TAG, keys, (worker, text))

    async def _run(self, name: str, *args: Arg) -> list[Any]:
        script = load(name)
        keys = script.bind_keys(system_keys(self.namespace))
        return cast("list[Any]", await self.backend.run(script, SYSTEM_TAG, keys, (self.now_ms, *args)))
