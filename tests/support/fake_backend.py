"""A backend on fakeredis: a fourth, independent reading of what the scripts' commands mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import fakeredis
from redis.exceptions import ResponseError

from nexq.backends.base import Arg, Backend, Reply
from nexq.errors import ScriptFailed
from nexq.scripts import Script


class FakeBackend:
    """Runs the scripts through fakeredis' EVAL. One FakeServer is one store."""

    def __init__(self, server: fakeredis.FakeServer | None = None) -> None:
        self.server = server or fakeredis.FakeServer(version=(7,))
        self._client = fakeredis.FakeAsyncRedis(server=self.server)

    @property
    def url(self) -> str:
        """Where it is."""
        return "fakeredis://"

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """Run a script (see Backend.run)."""
        try:
            return cast(Reply, await self._client.eval(script.body, len(keys), *keys, *args))  # type: ignore[arg-type, misc]
        except ResponseError as error:
            raise ScriptFailed(f"Script {script.name!r} failed: {error}") from None

    async def wait(self, keys: Sequence[str], timeout_s: float) -> tuple[str, bytes] | None:
        """Take an element of one of the lists (see Backend.wait)."""
        reply = await self._client.blpop(list(keys), timeout=timeout_s)  # type: ignore[misc]
        return None if reply is None else (reply[0].decode(), reply[1])

    async def check(self, *, allow_unsafe: bool = False) -> list[str]:
        """Nothing to look at."""
        return []

    def clone(self) -> Backend:
        """Another client of the same store."""
        return FakeBackend(self.server)

    async def aclose(self) -> None:
        """Close the client."""
        await self._client.aclose()
