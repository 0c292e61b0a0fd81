"""The engine beside a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine.twin import Twin
from tests.support.servers import Server, redis_binary, valkey_binary


@pytest.fixture(scope="package", params=["valkey", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for the tests of this folder."""
    server = Server(valkey_binary() if request.param == "valkey" else redis_binary(pytest.skip)).start()
    yield server
    server.stop()


@pytest.fixture
def twin(server: Server) -> Twin:
    """An empty engine beside the emptied server."""
    return Twin(server)
