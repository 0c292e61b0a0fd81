"""Clients of a log in this process, each with a replica of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from nexq.backends.pogocache import PogocacheBackend
from tests.support.pogocache import GivenPogocache, Pogocache

AnyServer = Pogocache | GivenPogocache


@asynccontextmanager
async def client(server: AnyServer, log: str, patience_s: float = 15.0) -> AsyncIterator[PogocacheBackend]:
    """A client with a replica of its own."""
    backend = PogocacheBackend(f"{server.url}/{log}", patience_s=patience_s, share=False)
    try:
        yield backend
    finally:
        await backend.aclose()


@asynccontextmanager
async def clients(server: AnyServer, log: str, count: int) -> AsyncIterator[list[PogocacheBackend]]:
    """Several of them."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client(server, log)) for _ in range(count)]
