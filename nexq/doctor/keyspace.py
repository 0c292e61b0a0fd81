"""The keys of a namespace: their names, their types, and that none of them will expire."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from nexq.doctor.report import Report
from nexq.errors import InvalidName
from nexq.keys import QUEUE_KEYS, SYSTEM_KEYS, SYSTEM_TAG, check_queue

Command = Callable[..., Awaitable[Any]]

#: The only keys that may expire: what they hold can be done without.
TEMPORARY = ("memo:", "control:", "done:")
#: What the keys behind a prefix are; those of another prefix may be of any type.
_PREFIX_TYPES = {"ready:": "zset", "memo:": "string", "control:": "list", "done:": "list", "series:": "list"}
_PAGE = 500


async def examine_keys(command: Command, namespace: str, report: Report, queues: Sequence[str] | None) -> set[str]:
    """Look at every key of the namespace, or of some queues. Returns the queues that have keys."""
    found: set[str] = set()
    seen: set[bytes] = set()
    pattern = re.sub(r"([\\*?\[\]])", r"\\\1", namespace) + ":*"
    cursor = b"0"
    while True:
        cursor, keys = await command("SCAN", cursor, "MATCH", pattern, "COUNT", _PAGE)
        fresh = [key for key in keys if key not in seen]
        seen.update(fresh)
        await asyncio.gather(*(_examine_key(command, namespace, key, report, queues, found) for key in fresh))
        if cursor == b"0":
            return found


async def _examine_key(
    command: Command, namespace: str, raw: bytes, report: Report, queues: Sequence[str] | None, found: set[str]
) -> None:
    key = raw.decode(errors="backslashreplace")
    tag, name, problem = parse_key(key, namespace)
    if queues is not None and tag not in queues:
        return
    report.checked["keys"] += 1
    if problem:
        report.add(problem, "" if tag == SYSTEM_TAG else tag, key)
        return
    queue = "" if tag == SYSTEM_TAG else tag
    if queue:
        found.add(queue)
    expected = kind_of(name, SYSTEM_KEYS if tag == SYSTEM_TAG else QUEUE_KEYS)
    actual = (await command("TYPE", raw)).decode()
    if actual not in ("none", expected) and expected != "any":
        report.add("wrong_type", queue, key, f"{key} is a {actual}, expected a {expected}.")
    if not name.startswith(TEMPORARY) and await command("PTTL", raw) >= 0:
        report.add("ttl", queue, key)


def parse_key(key: str, namespace: str) -> tuple[str, str, str]:
    """(hash tag, name, kind of what is wrong with it or '') of a key that begins with the namespace."""
    rest = key[len(namespace) + 1 :]
    tags = re.findall(r"\{([^{}]*)\}", rest)
    if len(tags) != 1 or not tags[0]:
        return tags[0] if tags else "", rest, "tags"
    match = re.fullmatch(r"\{([^{}]+)\}:(.+)", rest, re.DOTALL)
    if match is None:
        return tags[0], rest, "foreign_key"
    tag, name = match[1], match[2]
    if tag != SYSTEM_TAG:
        try:
            check_queue(tag)
        except InvalidName:
            return tag, name, "foreign_key"
    known = kind_of(name, SYSTEM_KEYS if tag == SYSTEM_TAG else QUEUE_KEYS)
    return tag, name, "" if known else "foreign_key"


def kind_of(name: str, table: dict[str, str]) -> str:
    """The type of a key by its name; 'any' where it may be several, '' for a name that is not nexq's."""
    if name in table and table[name] != "prefix":
        return table[name]
    if name.startswith("ready:"):
        return "zset" if "ready:" in table and re.fullmatch(r"ready:[0-9]", name) else ""
    for prefix, kind in table.items():
        if kind == "prefix" and name.startswith(prefix) and len(name) > len(prefix):
            return _PREFIX_TYPES.get(prefix, "any")
    return ""


def listing(keys: Sequence[tuple[bytes, bytes, int]]) -> Command:
    """The commands that the examination needs, for a backend that can list its keys itself: (key, type, ms to live)."""
    about = {key: (kind, ttl_ms) for key, kind, ttl_ms in keys}

    async def command(name: str, *args: Any) -> Any:
        if name == "SCAN":
            prefix = args[2].removesuffix(":*").encode() + b":"
            return b"0", [key for key in about if key.startswith(prefix)]
        return about[args[0]][0 if name == "TYPE" else 1]

    return command
