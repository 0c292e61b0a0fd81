"""Every key name and every rule for names, in one place.

All keys of one queue carry one hash tag, `{queue}`, and so stand in one Cluster slot. What belongs to no queue
(workers, handlers, the list of queues) has the tag `{_}`, which no queue can be named.
"""

from __future__ import annotations

import re
from functools import lru_cache

from nexq.errors import InvalidName

MAX_NAME = 200
SYSTEM_TAG = "_"
#: Names as patterns that every reader of JSON Schema understands. Tags: nothing that JSON would escape
#: (lua/search.lua), no space, no comma.
QUEUE_FORM = f"[A-Za-z0-9][A-Za-z0-9_./@+-]{{0,{MAX_NAME - 1}}}"
TAG_FORM = "[A-Za-z0-9_.:/@+-]{1,100}"
MOST_TAGS = 20
_QUEUE, _TAG = re.compile(QUEUE_FORM), re.compile(TAG_FORM)

#: Key of a queue -> its kind. The prefixes stand for several keys: one per priority, worker or waiter.
QUEUE_KEYS = {
    "queue": "hash",
    "jobs": "hash",
    "runs": "hash",
    "results": "hash",
    "history": "hash",
    "journal": "hash",
    "unique": "hash",
    "cancels": "hash",
    "waiters": "hash",
    "hooks": "hash",
    "blocked": "zset",
    "scheduled": "zset",
    "retrying": "zset",
    "running": "zset",
    "completed": "zset",
    "dead": "zset",
    "cancelled": "zset",
    "tombs": "zset",
    "remembered": "zset",
    "wake": "list",
    "events": "list",
    "rerouted": "list",
    "minute": "hash",
    "ready:": "prefix",
    "done:": "prefix",
    "memo:": "prefix",
    "control:": "prefix",
    "series:": "prefix",
}

SYSTEM_KEYS = {
    "queues": "zset",
    "workers": "zset",
    "worker_info": "hash",
    "handlers": "hash",
    "tokens": "hash",
    "token_uses": "hash",
    "logouts": "zset",
    "secret": "string",
    "hook_keys": "hash",
    "listened": "string",
    "audit": "zset",
    "audit_admin": "zset",
    "control:": "prefix",
}


def check_queue(name: str) -> str:
    """The name, when a queue may be called so. Raises InvalidName."""
    if not isinstance(name, str) or not _QUEUE.fullmatch(name):
        raise InvalidName(
            f"{_shown(name)} is not a queue name: expected 1 to {MAX_NAME} characters from letters, digits and "
            "'_', '.', '-', '/', '@', '+', the first a letter or digit."
        )
    return name


def check_type(name: str) -> str:
    """The name, when a handler may be called so. Raises InvalidName."""
    _check_plain(name, "handler name", "{}")
    return name


def check_id(id: str) -> str:
    """The id, when a job may have it. Raises InvalidName."""
    _check_plain(id, "job id", "{}:/?#% ")
    return id


def check_unique(key: str) -> str:
    """The key, when a job may be unique by it. Raises InvalidName."""
    _check_plain(key, "unique key", "")
    return key


def check_tag(tag: str) -> str:
    """The tag, when a job may have it. Raises InvalidName."""
    if not isinstance(tag, str) or not _TAG.fullmatch(tag):
        raise InvalidName(
            f"{_shown(tag)} is not a tag: expected 1 to 100 characters from letters, digits and "
            "'_', '.', ':', '/', '@', '+', '-'."
        )
    return tag


def check_namespace(name: str) -> str:
    """The name, when a namespace may be called so. Raises InvalidName."""
    _check_plain(name, "namespace", "{}:*?[] ")
    return name


def _check_plain(name: str, what: str, forbidden: str) -> None:
    if not isinstance(name, str):
        raise InvalidName(f"Expected a {what} to be a string, got {type(name).__name__}.")
    if not name or len(name) > MAX_NAME:
        raise InvalidName(f"A {what} has 1 to {MAX_NAME} characters; {_shown(name)} has {len(name)}.")
    bad = next((c for c in name if c in forbidden or not c.isprintable()), None)
    if bad is not None:
        raise InvalidName(f"{_shown(name)} is not a {what}: it contains {bad!r}.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InvalidName(f"{_shown(name)} is not a {what}: it is not valid Unicode.") from None


def _shown(name: object) -> str:
    text = repr(name)
    return text if len(text) <= 60 else text[:57] + "…'"


@lru_cache(maxsize=4096)
def queue_keys(namespace: str, queue: str) -> dict[str, str]:
    """Name of a key in the scripts' headers -> its full name, for one queue."""
    prefix = f"{namespace}:{{{queue}}}:"
    return {name.rstrip(":"): prefix + name for name in QUEUE_KEYS}


@lru_cache(maxsize=64)
def system_keys(namespace: str) -> dict[str, str]:
    """Name of a key in the scripts' headers -> its full name, for what belongs to no queue."""
    prefix = f"{namespace}:{{{SYSTEM_TAG}}}:"
    return {name.rstrip(":"): prefix + name for name in SYSTEM_KEYS}


def worker_control_keys(namespace: str, queues: list[str], worker: str) -> list[str]:
    """The lists on which a worker is told what to do: one for itself, one per queue."""
    return [system_keys(namespace)["control"] + worker, *(queue_keys(namespace, q)["control"] + worker for q in queues)]
