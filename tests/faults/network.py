"""What the tests of a bad network share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

import pytest

from nexq.backends.redis import RedisBackend
from nexq.job import Spec
from nexq.store import Store
from tests.support.proxy import FaultProxy
from tests.support.servers import Server

#: How much more than usual is done.
SOAK = float(os.environ.get("NEXQ_SOAK", "1"))
SPEC = Spec(type="t", payload=b"{}").pack()
LEASE_MS = 60_000.0

OpenStore = Callable[..., Store]


@pytest.fixture
def proxy(valkey: Server) -> Iterator[FaultProxy]:
    """A proxy before an empty server."""
    valkey.wire.call("FLUSHALL")
    with FaultProxy(valkey.address) as proxy:
        yield proxy


@pytest.fixture
def open_store(runner: asyncio.Runner) -> Iterator[OpenStore]:
    """Opens stores with connections of their own, and closes them in the end."""
    opened: list[Store] = []

    def open(url: str, *, patience_s: float = 30.0, call_timeout_s: float = 5.0) -> Store:
        opened.append(Store(RedisBackend(url, patience_s=patience_s, call_timeout_s=call_timeout_s)))
        return opened[-1]

    yield open
    for store in opened:
        runner.run(store.aclose())
