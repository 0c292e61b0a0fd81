"""Fixtures for every test: private servers, and `store` over each backend.

Coroutine tests need no plugin and no marker: the hook below runs them. One asyncio.Runner serves a test and the async
parts of its fixtures, so all of them share a loop: a fixture that needs the loop takes `runner` and calls
`runner.run(...)` before and after its yield.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import Iterator

import pytest

from nexq.backends.base import Backend
from nexq.backends.memory import MemoryBackend
from nexq.backends.pogocache import PogocacheBackend
from nexq.backends.redis import RedisBackend
from tests.contract.bench import Bench
from tests.support.fake_backend import FakeBackend
from tests.support.keyleaks import find_leaks
from tests.support.pogocache import GivenPogocache, Pogocache, shared_pogocache, which_ran
from tests.support.servers import Server, redis_binary, valkey_binary

BACKENDS = ("valkey", "redis", "memory", "fakeredis", "pogocache")


def pytest_report_header() -> str:
    """Say which Pogocache is tested: the real one or its double."""
    return which_ran()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it again where -q leaves the header out."""
    terminalreporter.write_line(which_ran())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test on the test's Runner, or on one of its own when no fixture needed one."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    args = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    runner = pyfuncitem.funcargs.get("runner")
    if isinstance(runner, asyncio.Runner):
        runner.run(pyfuncitem.obj(**args))
    else:
        with asyncio.Runner() as own:
            own.run(pyfuncitem.obj(**args))
    return True


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The loop of this test and of its fixtures."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey of this test session. Tests may FLUSHALL it, not stop it."""
    server = Server(valkey_binary()).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """A Redis of this test session. Tests may FLUSHALL it, not stop it."""
    server = Server(redis_binary(pytest.skip)).start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def pogocache() -> Iterator[Pogocache | GivenPogocache]:
    """A Pogocache of this test session, the real one or its double. Tests may FLUSHALL it, not stop it."""
    server = shared_pogocache()
    yield server
    server.stop()


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[Backend]:
    """An empty store on each backend in turn. What is left in it afterwards must be keys that nexq knows."""
    backend = runner.run(open_backend(request.param, request))
    yield backend
    leaks = runner.run(find_leaks(backend, "nexq"))
    runner.run(backend.aclose())
    assert not leaks, "\n".join(leaks)


@pytest.fixture
def store(backend: Backend) -> Bench:
    """The store of the contract tests, on each backend in turn."""
    return Bench(backend)


async def open_backend(name: str, request: pytest.FixtureRequest) -> Backend:
    """An empty backend of that name."""
    if name == "memory":
        return MemoryBackend()
    if name == "fakeredis":
        return FakeBackend()
    if name == "pogocache":
        # A log of its own is an empty store.
        url: str = request.getfixturevalue("pogocache").url
        return PogocacheBackend(f"{url}/t{secrets.token_hex(6)}", patience_s=5.0)
    server: Server = request.getfixturevalue("valkey" if name == "valkey" else "redis_server")
    server.wire.call("FLUSHALL")
    return RedisBackend(server.url, patience_s=5.0)
