"""The API on a real socket, beside a real Valkey and, where jobs must run, a real worker."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import httpx
import pytest
import uvicorn

from nexq.app import Nexq
from nexq.depends import Context
from nexq.retry import Retry
from nexq.web.asgi import create_asgi
from nexq.worker.settings import WorkerSettings
from tests.support.servers import Server
from tests.support.waiting import until_sync

T = TypeVar("T")
_names = (f"web{n}" for n in itertools.count())


def make_app(url: str, **options: Any) -> Nexq:
    """An app with the handlers that the tests use, in a namespace of its own."""
    app = Nexq(url, namespace=next(_names), **{"patience": 2.0, **options})

    @app.handler("send_email", queue="mail")
    async def send_email(to: str, subject: str = "") -> dict[str, str]:
        """Send an e-mail."""
        return {"sent_to": to}

    @app.handler("echo")
    async def echo(value: Any = None) -> Any:
        return value

    @app.handler("fail", retry=Retry(max_attempts=1))
    async def fail(why: str = "no reason") -> None:
        raise ValueError(why)

    @app.handler("report")
    async def report(ctx: Context, steps: int = 4) -> None:
        for step in range(steps):
            ctx.log.info("step %d", step)
            ctx.progress((step + 1) / steps, f"{step + 1} of {steps}")
            await asyncio.sleep(0.25)

    @app.handler("stay")
    async def stay(ctx: Context) -> None:
        await asyncio.Event().wait()

    return app


class Served:
    """An app served by uvicorn in a thread of its own. `client`: an httpx client of it."""

    def __init__(self, app: Nexq, *, worker: bool = False, **asgi: Any) -> None:
        self.app = app
        self._worker = worker
        self._asgi = asgi
        # With the protocol named, asyncio turns Nagle off; without, each answer takes 40 ms.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.loop = asyncio.new_event_loop()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=self._run, name="served", daemon=True)
        self.client = httpx.Client(base_url=self.url, timeout=30.0, trust_env=False)

    def __enter__(self) -> Served:
        self._thread.start()
        until_sync(lambda: self._server is not None and self._server.started, 15.0, what="the server to listen")
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(15.0)
        assert not self._thread.is_alive(), "the server did not stop"

    def call(self, make: Callable[[], Any]) -> Any:
        """Run a coroutine on the server's loop."""
        return asyncio.run_coroutine_threadsafe(make(), self.loop).result(30.0)

    def state(self, id: str) -> str:
        """The state of a job."""
        return str(self.client.get(f"/api/jobs/{id}").json()["state"])

    def until(self, id: str, state: str) -> dict[str, Any]:
        """Wait until a job is in a state."""
        until_sync(lambda: self.state(id) == state, 10.0, what=f"job {id} to be {state}")
        return dict(self.client.get(f"/api/jobs/{id}").json())

    def submit(self, type: str = "echo", payload: Any = None, **options: Any) -> str:
        """Submit a job; its id."""
        answer = self.client.post("/api/jobs", json={"type": type, "payload": payload, **options})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            if self._worker:
                queues = tuple(self.app.registry.queues())
                settings = WorkerSettings(queues=queues, concurrency=10, grace_s=0.2)
                await stack.enter_async_context(self.app.worker(settings=settings))
            config = uvicorn.Config(
                create_asgi(self.app, **self._asgi), log_config=None, access_log=False, timeout_graceful_shutdown=1
            )
            self._server = uvicorn.Server(config)
            await self._server._serve([self._socket])


@pytest.fixture(scope="module")
def served(valkey: Server) -> Iterator[Served]:
    """An API without a worker: jobs stay where they are put."""
    with Served(make_app(valkey.url)) as served:
        yield served


@pytest.fixture(scope="module")
def working(valkey: Server) -> Iterator[Served]:
    """An API with a worker: jobs run."""
    with Served(make_app(valkey.url), worker=True) as served:
        yield served


@pytest.fixture
def no_errors(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Fails the test when a server logged a traceback."""
    with caplog.at_level(logging.WARNING):
        yield caplog
    bad = [r for r in caplog.records if r.exc_info or "Traceback" in r.getMessage()]
    assert not bad, "\n".join(f"{r.name}: {r.getMessage()} {r.exc_info}" for r in bad)
