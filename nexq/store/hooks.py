"""Webhooks as they are kept: those of whole queues, and the keys that they are signed with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

from nexq.backends.base import Arg, Backend
from nexq.errors import InvalidName, NexqError, Taken
from nexq.keys import SYSTEM_TAG, queue_keys, system_keys
from nexq.scripts import load

#: Webhooks that a queue, or a job, may have.
MOST_HOOKS = 10
#: Names of keys that a namespace may have.
MOST_KEYS = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class HookKey:
    """A key that webhooks are signed with. Its secret is not shown by repr."""

    id: str
    created_ms: int
    secret: str

    def __repr__(self) -> str:
        return f"HookKey(id={self.id!r}, created_ms={self.created_ms})"


def check_key_name(name: str) -> str:
    """The name, when a key may be called so. Raises InvalidName."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidName("A webhook key's name has 1 to 100 letters, digits, '_', '.', '-', a letter or digit first.")
    return name


class Hooks:
    """Webhooks of one namespace on one backend. A webhook is a line here (nexq.webhooks.Webhook packs it)."""

    def __init__(self, backend: Backend, namespace: str = "nexq", *, now_ms: str = "") -> None:
        self.backend = backend
        self.namespace = namespace
        self.now_ms = now_ms

    async def of_queue(self, queue: str) -> list[bytes]:
        """The webhooks that all jobs of a queue have."""
        return (await self._lines(queue)).splitlines()

    async def add(self, queue: str, line: bytes) -> None:
        """Give all jobs of a queue a webhook. Raises Taken where there are too many."""
        while True:
            known = await self._lines(queue)
            lines = known.splitlines()
            if line in lines:
                return
            if len(lines) >= MOST_HOOKS:
                raise Taken(f"Queue {queue!r} has {MOST_HOOKS} webhooks already; remove one first.")
            if await self._set(queue, known, [*lines, line]):
                return

    async def remove(self, queue: str, line: bytes) -> bool:
        """Take a webhook from a queue; whether it had it."""
        while True:
            known = await self._lines(queue)
            lines = known.splitlines()
            if line not in lines:
                return False
            if await self._set(queue, known, [other for other in lines if other != line]):
                return True

    async def add_key(self, name: str, id: str, secret: str) -> list[HookKey]:
        """Make a key, or a newer one of that name: the one before it goes on to be used beside it.

        Returns the keys of that name, the newest first. Raises InvalidName, Taken.
        """
        reply = await self._run("hook_key_add", self.now_ms, check_key_name(name), id, secret, MOST_KEYS)
        if reply[0] == b"FULL":
            raise Taken(f"There are {MOST_KEYS:,} names of webhook keys already; drop some first.")
        if reply[0] != b"OK":
            raise NexqError("The webhook key could not be made.")
        return _keys(reply[1])

    async def keys(self, name: str = "") -> dict[str, list[HookKey]]:
        """Name -> its keys, the newest first; of one name, or all."""
        reply = await self._run("hook_key_list", name)
        return {reply[i].decode(): _keys(reply[i + 1]) for i in range(1, len(reply), 2)}

    async def drop_key(self, name: str, id: str = "") -> int:
        """Forget a key by its id, or all of a name. Returns how many were there."""
        return int((await self._run("hook_key_drop", name, id))[1])

    async def _lines(self, queue: str) -> bytes:
        script = load("hook_list")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        return cast("list[bytes]", await self.backend.run(script, queue, keys, ()))[1]

    async def _set(self, queue: str, known: bytes, lines: list[bytes]) -> bool:
        script = load("hook_set")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, (known, b"\n".join(lines))))
        return bool(reply[0] == b"OK")

    async def _run(self, name: str, *args: Arg) -> list[Any]:
        script = load(name)
        keys = script.bind_keys(system_keys(self.namespace))
        return cast("list[Any]", await self.backend.run(script, SYSTEM_TAG, keys, args))


def _keys(lines: bytes) -> list[HookKey]:
    found = []
    for line in lines.decode().split("\n"):
        id, created_ms, secret = line.split(" ")
        found.append(HookKey(id, int(created_ms), secret))
    return found
