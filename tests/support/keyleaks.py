"""After a test: every key that is left has a name that nexq/keys.py knows, and nothing that matters can expire."""

from __future__ import annotations

import re
from typing import Any, cast

from nexq.backends.base import Backend
from nexq.backends.memory import MemoryBackend
from nexq.backends.pogocache import PogocacheBackend
from nexq.backends.redis import RedisBackend
from nexq.keys import QUEUE_KEYS, SYSTEM_KEYS, SYSTEM_TAG, check_queue
from tests.support.fake_backend import FakeBackend

#: Kind of a prefix's keys.
PREFIXES = {"ready:": "zset", "done:": "list", "memo:": "string", "control:": "list", "series:": "list"}
#: These may expire: a loss costs a look, never a job.
MAY_EXPIRE = ("memo:", "control:", "done:")


async def find_leaks(backend: Backend, namespace: str) -> list[str]:
    """What is wrong with the keys of a store, one line each."""
    return [
        f"{name!r}: {problem}"
        for name, kind, pttl in await _all_keys(backend)
        for problem in [_problem(namespace, name, kind, pttl)]
        if problem
    ]


def _problem(namespace: str, name: str, kind: str, pttl: int) -> str:
    found = re.fullmatch(re.escape(namespace) + r":\{([^{}]+)\}:([^{}]+)", name)
    if not found:
        return "not <namespace>:{<tag>}:<key> with exactly one hash tag"
    tag, key = found.groups()
    known = SYSTEM_KEYS if tag == SYSTEM_TAG else QUEUE_KEYS
    if tag != SYSTEM_TAG:
        check_queue(tag)
    prefix = next((p for p, k in known.items() if k == "prefix" and key.startswith(p) and key != p), None)
    if prefix is None and known.get(key, "prefix") == "prefix":
        return "a key that nexq/keys.py does not list"
    expected = PREFIXES[prefix] if prefix else known[key]
    if prefix == "ready:" and not re.fullmatch(r"ready:\d", key):
        return "a ready set of no priority"
    if kind != expected:
        return f"is a {kind}, expected a {expected}"
    if pttl >= 0 and prefix not in MAY_EXPIRE:
        return f"expires in {pttl} ms"
    if pttl < 0 and prefix in MAY_EXPIRE:
        return "never expires"
    return ""


async def _all_keys(backend: Backend) -> list[tuple[str, str, int]]:
    """(name, kind, ms to live or -1) of every key in the store."""
    if isinstance(backend, RedisBackend):
        names = await backend.command("KEYS", "*")
        return [
            (
                name.decode(),
                (await backend.command("TYPE", name)).decode(),
                int(await backend.command("PTTL", name)),
            )
            for name in names
        ]
    if isinstance(backend, FakeBackend):
        client = cast(Any, backend.client)
        return [(n.decode(), client.type(n).decode(), client.pttl(n)) for n in client.scan_iter()]
    if isinstance(backend, MemoryBackend | PogocacheBackend):
        local = backend._store._engine if isinstance(backend, MemoryBackend) else backend.replica.machine.engine
        kept = local.dump()["keys"]
        # A deadline is a time, not a duration; here it only matters that there is one.
        return [(name, kind, -1 if deadline is None else deadline) for name, kind, _, deadline in kept]
    raise NotImplementedError(f"no way to list the keys of {type(backend).__name__}")
