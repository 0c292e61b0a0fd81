"""A receiver on loopback, an app in a namespace of its own on a real Valkey, and a worker that may call loopback."""

from __future__ import annotations

import asyncio
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import orjson
import pytest

from nexq import Nexq, Retry
from nexq.states import JobState
from nexq.store import Store
from nexq.webhooks.hook import DELIVERY
from nexq.worker.settings import WorkerSettings
from tests.support.servers import Server
from tests.support.waiting import until

MakeApp = Callable[..., Nexq]


class Received(NamedTuple):
    """A request as the receiver got it."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> dict[str, Any]:
        """The body as data."""
        return dict(orjson.loads(self.body))


class Receiver:
    """An HTTP server on loopback that keeps what it is sent. `statuses`: path -> statuses to answer, 200 after them."""

    def __init__(self) -> None:
        self.got: list[Received] = []
        self.statuses: dict[str, list[int]] = {}
        self.headers: dict[str, str] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if len(body) < int(self.headers["content-length"]):
                    # Its sender was killed half-way.
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append(Received(self.path, headers, body))
                statuses = receiver.statuses.get(self.path, [])
                self.send_response(statuses.pop(0) if statuses else 200)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str = "/hook") -> str:
        """A URL of this receiver."""
        return f"http://127.0.0.1:{self.port}{path}"

    def at(self, path: str = "/hook") -> list[Received]:
        """What came for one path."""
        return [received for received in self.got if received.path == path]

    async def first(self, path: str = "/hook") -> Received:
        """Wait for what comes first for one path."""
        await until(lambda: self.at(path), 10.0, what=f"a message at {path}")
        return self.at(path)[0]

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5.0)


class Canary:
    """A listener that nobody may connect to."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        self.address = address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen(16)
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])

    def connections(self) -> int:
        """How many connections wait to be accepted."""
        found = 0
        while True:
            try:
                peer, _ = self._socket.accept()
            except BlockingIOError:
                return found
            peer.close()
            found += 1

    def close(self) -> None:
        """End it."""
        self._socket.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of this test."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    """A listener that must see no connection."""
    canary = Canary()
    yield canary
    assert canary.connections() == 0, "somebody connected to the canary"
    canary.close()


@pytest.fixture
def make_app(valkey: Server, runner: asyncio.Runner) -> Iterator[MakeApp]:
    """Makes apps on the session's Valkey, all in one namespace that is this test's own."""
    namespace = "hooks" + secrets.token_hex(6)
    made: list[Nexq] = []

    def make(url: str = valkey.url, **options: Any) -> Nexq:
        made.append(Nexq(url, **{"namespace": namespace, "patience": 5.0, **options}))
        return made[-1]

    yield make
    for app in made:
        runner.run(app.aclose())


@pytest.fixture
def app(make_app: MakeApp) -> Nexq:
    """An app with a handler that does what its payload says."""
    return add_handlers(make_app())


def add_handlers(app: Nexq, **options: Any) -> Nexq:
    """Give an app the handler `do`."""

    @app.handler("do", queue="mail", retry=Retry(max_attempts=1), **options)
    async def do(what: str = "") -> Any:
        if what == "fail":
            raise ValueError("no luck")
        if what == "stay":
            await asyncio.Event().wait()
        return {"did": what}

    return app


def working(app: Nexq, allow: str = "127.0.0.1", **options: Any) -> Any:
    """A worker of the queue `mail` that may call loopback: `async with working(app): …`."""
    return app.worker(settings=WorkerSettings(queues=("mail",), concurrency=10, webhook_allow=allow, **options))


async def deliveries(store: Store, queue: str = "mail") -> list[Any]:
    """Every delivery of a queue, whatever its state."""
    found = []
    for state in JobState:
        found += [record async for record in store.views.walk(queue, state) if record.spec.type == DELIVERY]
    return found
