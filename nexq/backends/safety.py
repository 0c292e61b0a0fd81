"""What a server must be set to, so that it keeps the jobs it was given."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nexq.errors import BackendError, UnsafeBackend

#: The oldest servers that know `#!lua` scripts and every command the scripts use.
MINIMUM = {"redis": (7, 0), "valkey": (7, 2)}


async def check_server(command: Callable[..., Awaitable[Any]], url: str, *, allow_unsafe: bool) -> list[str]:
    """Warnings about a server's settings. Raises UnsafeBackend for those that lose jobs, unless allowed."""
    info = _parse_info(await command("INFO"))
    problems = [*_version_problem(info), *await _eviction_problem(command, info)]
    if problems and not allow_unsafe:
        raise UnsafeBackend(f"{url}: " + " ".join(problems))
    return problems + await _persistence_warnings(command, info)


def _parse_info(text: bytes) -> dict[str, str]:
    lines = (line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
    return {key: value.strip() for key, value in lines}


def _version_problem(info: dict[str, str]) -> list[str]:
    name = "valkey" if "valkey_version" in info else "redis"
    version = info.get(f"{name}_version", "0")
    if tuple(int(p) if p.isdigit() else 0 for p in version.split(".")[:2]) >= MINIMUM[name]:
        return []
    needed = ".".join(map(str, MINIMUM[name]))
    return [f"The server is {name} {version}; nexq needs {name} {needed} or newer (scripts with flags)."]


async def _eviction_problem(command: Callable[..., Awaitable[Any]], info: dict[str, str]) -> list[str]:
    policy = info.get("maxmemory_policy") or await _config(command, "maxmemory-policy")
    if policy in (None, "noeviction"):
        return []
    return [
        f"The server's maxmemory-policy is {policy!r}: when its memory is full it would delete jobs without a word. "
        "Set it to 'noeviction' (CONFIG SET maxmemory-policy noeviction, and in its configuration file), or start "
        "with --allow-unsafe (allow_unsafe=True, NEXQ_ALLOW_UNSAFE=1) if losing jobs is acceptable."
    ]


async def _persistence_warnings(command: Callable[..., Awaitable[Any]], info: dict[str, str]) -> list[str]:
    if info.get("aof_enabled") == "1":
        return []
    save = await _config(command, "save")
    if save is None:
        return []
    if save == "":
        return [
            "Nothing is persisted on this server (no AOF, no snapshots): a restart loses every job. "
            "Turn on 'appendonly yes' to keep them."
        ]
    return ["The server only takes snapshots: a crash loses the jobs since the last one. Prefer 'appendonly yes'."]


async def _config(command: Callable[..., Awaitable[Any]], name: str) -> str | None:
    """A setting, or None where CONFIG is not allowed (managed servers)."""
    try:
        reply = await command("CONFIG", "GET", name)
    except BackendError:
        return None
    return reply[1].decode() if reply else None
