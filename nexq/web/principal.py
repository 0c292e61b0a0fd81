"""Who asks, and what that allows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase


class Scope(StrEnum):
    """What a route asks of its caller. Each includes those before it."""

    PUBLIC = "public"
    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


_ORDER = list(Scope)


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `queues`: patterns of the queues it may touch; empty: all."""

    name: str
    scope: Scope
    queues: tuple[str, ...] = ()

    def may(self, scope: Scope) -> bool:
        """Whether it has a scope."""
        return _ORDER.index(self.scope) >= _ORDER.index(scope)

    def may_touch(self, queue: str) -> bool:
        """Whether it may see and change a queue's jobs."""
        return not self.queues or any(fnmatchcase(queue, pattern) for pattern in self.queues)


#: Everybody, where the server runs without authentication.
ANYONE = Principal("anyone", Scope.ADMIN)
NOBODY = Principal("nobody", Scope.PUBLIC)
