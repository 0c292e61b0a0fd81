"""Backends: where the jobs are kept. `connect(url)` picks one by the URL's scheme."""

from __future__ import annotations

from collections.abc import Callable

from nexq.backends.base import Arg, Backend, Reply
from nexq.errors import ConfigError

__all__ = ["DEFAULT_URL", "Arg", "Backend", "Reply", "connect"]

DEFAULT_URL = "embedded://.nexq"


def _redis(url: str, patience_s: float) -> Backend:
    from nexq.backends.redis import RedisBackend

    return RedisBackend(url, patience_s=patience_s)


def _memory(url: str, patience_s: float) -> Backend:
    from nexq.backends.memory import MemoryBackend

    return MemoryBackend(url)


def _embedded(url: str, patience_s: float) -> Backend:
    from nexq.backends.embedded import EmbeddedBackend

    return EmbeddedBackend(url, patience_s=patience_s)


def _pogocache(url: str, patience_s: float) -> Backend:
    from nexq.backends.pogocache import PogocacheBackend

    return PogocacheBackend(url, patience_s=patience_s)


_SCHEMES: dict[str, Callable[[str, float], Backend]] = {
    "redis": _redis,
    "rediss": _redis,
    "valkey": _redis,
    "valkeys": _redis,
    "unix": _redis,
    "embedded": _embedded,
    "memory": _memory,
    "pogocache": _pogocache,
    "pogocaches": _pogocache,
    "pogocache+unix": _pogocache,
}


def connect(url: str, *, patience_s: float = 30.0) -> Backend:
    """The backend of a URL. It connects at its first call; `patience_s` is how long a call keeps trying.

    Raises ConfigError for a URL that cannot be used; for an unknown scheme it names the known ones.
    """
    scheme, found, _ = url.partition("://")
    if not found:
        raise ConfigError(f"{url!r} is not a URL: expected <scheme>://…, for example redis://localhost:6379/0.")
    make = _SCHEMES.get(scheme)
    if make is None:
        known = ", ".join(f"{s}://" for s in _SCHEMES)
        raise ConfigError(f"Unknown scheme {scheme!r} in the URL. Known: {known}.")
    return make(url, patience_s)
