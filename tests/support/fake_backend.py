"""A backend on fakeredis: a fourth, independent reading of what the scripts' commands mean.

Its asynchronous client swallows cancellations, so this uses the plain one, which never blocks here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import fakeredis
from redis.exceptions import ResponseError

from nexq.backends.base import Arg, Backend, Reply
from nexq.errors import ScriptFailed
from nexq.scripts import Script

_LOOK_S = 0.002


class FakeBackend:
    """Runs the scripts through fakeredis' EVAL. One FakeServer is one store."""

    def __init__(self, server: fakeredis.FakeServer | None = None) -> None:
        self.server = server or fakeredis.FakeServer(version=(7,))
        self.client = fakeredis.FakeRedis(server=self.server)

    @property
    def url(self) -> str:
        """Where it is."""
        return "fakeredis://"

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """Run a script (see Backend.run)."""
        await asyncio.sleep(0)
        try:
            return cast(Reply, self.client.eval(script.body, len(keys), *keys, *args))  # type: ignore[arg-type]
        except ResponseError as error:
            raise ScriptFailed(f"Script {script.name!r} failed: {error}") from None

    async def wait(self, keys: Sequence[str], timeout_s: float, *, eager: bool = False) -> tuple[str, bytes] | None:
        """Take an element of one of the lists (see Backend.wait): by asking again and again."""
        deadline = time.monotonic() + timeout_s
        while True:
            await asyncio.sleep(_LOOK_S)
            for key in keys:
                element = cast("bytes | None", self.client.lpop(key))
                if element is not None:
                    return key, element
            if time.monotonic() >= deadline:
                return None

    async def check(self, *, allow_unsafe: bool = False) -> list[str]:
        """Nothing to look at."""
        return []

    def clone(self) -> Backend:
        """Another client of the same store."""
        return FakeBackend(self.server)

    async def aclose(self) -> None:
        """Close the client."""
        self.client.close()
