"""The backend seam: what a store of jobs must be able to do. Everything above speaks only this.

A backend runs the Lua scripts atomically and lets a caller wait on a list. Reads are scripts too, so each backend
gives every feature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from nexq.scripts import Script

Arg: TypeAlias = str | bytes | int | float
#: What a script returned: bytes, int, None, or a list of these.
Reply: TypeAlias = "bytes | int | list[Reply] | None"


class Backend(Protocol):
    """A place that keeps jobs. One instance belongs to one event loop; `clone()` serves another loop or thread."""

    @property
    def url(self) -> str:
        """Where it is, without credentials: for messages and logs."""
        ...

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """Run a script atomically and return its reply.

        `tag` is the hash tag of the keys: the queue, or `_` for what belongs to no queue. A call whose reply is
        lost is sent again, the same bytes: every script is idempotent by what its arguments name.

        Raises BackendUnavailable (nothing was changed), OutcomeUnknown (it may have been), ScriptFailed.
        """
        ...

    async def wait(self, keys: Sequence[str], timeout_s: float, *, eager: bool = False) -> tuple[str, bytes] | None:
        """Take the first element of the first non-empty list among keys, waiting at most timeout_s.

        Returns (key, element), or None when the time is over. An element is a hint: it may be lost with the
        connection, so callers look for themselves from time to time. One call at a time per instance.

        eager  a backend may return while it still takes the element, so that the call which follows goes out at once;
               another caller may have been quicker then, which is a false alarm
        """
        ...

    async def check(self, *, allow_unsafe: bool = False) -> list[str]:
        """Look at the server's settings. Returns warnings; raises UnsafeBackend where jobs would be lost."""
        ...

    def clone(self) -> Backend:
        """Another backend on the same store, with connections of its own, for another event loop."""
        ...

    async def aclose(self) -> None:
        """Close every connection. A second call does nothing."""
        ...
