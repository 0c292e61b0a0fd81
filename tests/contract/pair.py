"""Two replicas of one log as one backend: the calls go to one and the other in turn."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Sequence

from nexq.backends.base import Arg, Backend, Reply
from nexq.backends.pogocache import PogocacheBackend
from nexq.scripts import Script


class Pair:
    """What one replica writes the other must see, or the next call or dump tells."""

    def __init__(self, server_url: str) -> None:
        self._url = f"{server_url}/t{secrets.token_hex(6)}"
        self._sides = [PogocacheBackend(self._url, patience_s=10.0, share=False) for _ in range(2)]
        self._turns = itertools.cycle(self._sides)

    @property
    def url(self) -> str:
        """See Backend."""
        return self._url

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """See Backend."""
        return await next(self._turns).run(script, tag, keys, args)

    async def wait(self, keys: Sequence[str], timeout_s: float, *, eager: bool = False) -> tuple[str, bytes] | None:
        """See Backend."""
        return await next(self._turns).wait(keys, timeout_s, eager=eager)

    async def check(self, *, allow_unsafe: bool = False) -> list[str]:
        """See Backend."""
        return []

    def clone(self) -> Backend:
        """See Backend."""
        return self

    async def differences(self) -> list[str]:
        """In what the two replicas differ, once both are at the end of the log."""
        for side in self._sides:
            await side.line.refresh()
        one, two = (side.replica.machine for side in self._sides)
        return [
            name for name in ("position", "hash", "digest", "time_us") if getattr(one, name) != getattr(two, name)
        ] + ([] if one.engine.dump() == two.engine.dump() else ["state"])

    async def aclose(self) -> None:
        """See Backend."""
        for side in self._sides:
            await side.aclose()
