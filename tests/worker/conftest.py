"""Fixtures of the worker's and the app's tests: an app in a namespace of its own on a real Valkey."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator

import pytest

from nexq import Nexq
from tests.support.servers import Server

MakeApp = Callable[..., Nexq]


@pytest.fixture
def make_app(valkey: Server, runner: asyncio.Runner) -> Iterator[MakeApp]:
    """Makes apps on the session's Valkey, all in one namespace that is this test's own."""
    namespace = "w" + secrets.token_hex(6)
    made: list[Nexq] = []

    def make(url: str = valkey.url, **options: object) -> Nexq:
        made.append(Nexq(url, **{"namespace": namespace, **options}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for app in made:
        runner.run(app.aclose())
        app.sync.close()


@pytest.fixture
def app(make_app: MakeApp) -> Nexq:
    """An app on a real Valkey."""
    return make_app()


@pytest.fixture
def memory_app(make_app: MakeApp) -> Nexq:
    """An app on a store inside this process, where the server does not matter."""
    return make_app("memory://" + secrets.token_hex(6))
