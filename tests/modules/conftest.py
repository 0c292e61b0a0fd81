"""An app with the bundled modules in this process, settings of a test's own, and a server to call."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from nexq import Nexq, Retry
from nexq.app import Options
from nexq.job import JobRecord
from nexq.modules import BUNDLED, find
from nexq.worker.settings import WorkerSettings
from tests.worker.work import ended


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is allowed and nothing is set unless the test says so."""
    for name in [n for n in os.environ if n.startswith("NEXQ_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def app(runner: asyncio.Runner) -> Iterator[Nexq]:
    """An app with the bundled modules, on a store inside this process."""
    app = Nexq("memory://" + secrets.token_hex(6))
    for name in BUNDLED:
        found = find(name)
        assert found is not None and found.module is not None
        app.include(found.module)
    yield app
    runner.run(app.aclose())


async def outcome(app: Nexq, type: str, payload: Any, **options: Any) -> JobRecord:
    """Run one job to its end, in one attempt unless told otherwise."""
    settings = WorkerSettings(queues=("default",), concurrency=10, grace_s=0.2)
    job = await app.submit((await app.draft(type, payload, Options(**{"max_attempts": 1, **options})))[0])
    async with app.worker(settings=settings):
        return await ended(job, 30)


@asynccontextmanager
async def quick(app: Nexq, type: str, **changes: Any) -> AsyncIterator[None]:
    """Retries without long waits, for the block."""
    from dataclasses import replace

    spec = app.registry.get(type)
    assert spec is not None
    retry = Retry(**{"max_attempts": 4, "base": 0.01, "cap": 0.02, **changes})
    app.registry._handlers[type] = replace(spec, retry=retry)
    try:
        yield
    finally:
        app.registry._handlers[type] = spec


@dataclass
class Request:
    """What a server got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    peer: int


Answer = tuple[int, dict[str, str], bytes]
Respond = Callable[[Request], Answer | None]


@dataclass
class Site:
    """An HTTP server on loopback. `respond` gives the answer; None: never any. `raw`: bytes instead of an answer."""

    respond: Respond = lambda request: (200, {}, b"")
    got: list[Request] = field(default_factory=list)
    port: int = 0
    raw: bytes | None = None
    #: Chunks that follow the head for ever.
    endless: bool = False

    def url(self, path: str = "/") -> str:
        """A URL of it."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode().split("\r\n")
                method, path, _ = first.split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines if line)}
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                peer = writer.get_extra_info("peername")[1]
                self.got.append(Request(method, path, headers, body, peer))
                if self.raw is not None:
                    writer.write(self.raw)
                    break
                answer = self.respond(self.got[-1])
                if answer is None:
                    await asyncio.sleep(3600)
                    return
                status, extra, content = answer
                lines = [f"HTTP/1.1 {status} Status", f"content-length: {len(content) if not self.endless else 10**12}"]
                lines += [f"{k}: {v}" for k, v in extra.items()]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else content))
                while self.endless:
                    writer.write(b"x" * 65536)
                    await writer.drain()
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def site(respond: Respond | None = None, **how: Any) -> AsyncIterator[Site]:
    """A server for the block."""
    made = Site(**({"respond": respond} if respond else {}), **how)
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await made.serve(reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
