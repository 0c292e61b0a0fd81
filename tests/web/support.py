"""An API that asks for tokens, on a real socket beside a real Valkey; and `nexq server` as a process of its own."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from nexq.app import Nexq
from nexq.store import Store, Token
from nexq.web.auth import Guard
from nexq.web.ratelimit import Failures
from nexq.web.rules import API
from nexq.web.table import Rule
from tests.support.servers import Server, free_port
from tests.support.waiting import until_sync
from tests.web.conftest import Served, make_app

ROOT = Path(__file__).resolve().parents[2]
NEVER = 10**6


class Secured(Served):
    """A served app that asks for tokens. `tokens`: name -> text of those that `make` made."""

    def __init__(self, app: Nexq, *, auth: bool = True, failures: Failures | None = None, **options: Any) -> None:
        self.guard = Guard(app, auth=auth, failures=Failures(most=NEVER) if failures is None else failures, **options)
        super().__init__(app, gate=self.guard)
        self.tokens: dict[str, str] = {}
        self.made: dict[str, Token] = {}

    def __enter__(self) -> Secured:
        super().__enter__()
        return self

    def make(self, name: str, scope: str, *queues: str, now_ms: str = "", ttl_s: float | None = None) -> str:
        """Make a token, at a time of the past where that is said; its text."""

        async def create() -> tuple[Token, str]:
            store = Store((await self.app.store()).backend, self.app.namespace, now_ms=now_ms)
            return await store.books.create_token(name, scope, queues, ttl_s)

        self.made[name], self.tokens[name] = self.call(create)
        return self.tokens[name]

    def ask(self, who: str | None, method: str, path: str, **more: Any) -> httpx.Response:
        """A request with the token of that name (or with that text), without reading an endless answer."""
        headers = dict(more.pop("headers", {}))
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens.get(who, who)}"
        with self.client.stream(method, path, headers=headers, **more) as response:
            if "event-stream" not in response.headers.get("content-type", ""):
                response.read()
        # A login of another test must not speak for this one.
        self.client.cookies.clear()
        return response

    def notes(self) -> list[dict[str, Any]]:
        """The audit, the oldest first."""
        return list(reversed(self.ask("root", "GET", "/api/audit?limit=1000").json()["records"]))


def secured(server: Server, **options: Any) -> Secured:
    """A served app with a namespace of its own; use it with `with`."""
    return Secured(make_app(server.url), **options)


def fill(rule: Rule, **names: str) -> str:
    """A path of a rule, with something for each of its parameters."""
    usual = {"queue": "mail", "name": "echo", "id": "none"}
    return re.sub(r"{(\w+)(:\w+)?}", lambda m: {**usual, **names}.get(m[1], "x"), rule.path)


def body_of(rule: Rule) -> dict[str, Any]:
    """What a request to a rule sends along."""
    return {} if rule.method == "GET" else {"json": {}}


def dump(server: Server, namespace: str, *, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Every key of a namespace with its value, as the server writes it."""
    names = [k for k in server.wire.call("KEYS", f"{namespace}:*") if not k.decode().endswith(without or ("\0",))]
    return {name.decode(): server.wire.call("DUMP", name) for name in sorted(names)}


def contents(server: Server) -> bytes:
    """Everything that a server keeps, in one text: to look for what must not be there."""
    out = []
    for name in server.wire.call("KEYS", "*"):
        read: tuple[str | int, ...] = {
            b"hash": ("HGETALL",),
            b"zset": ("ZRANGE", 0, -1),
            b"list": ("LRANGE", 0, -1),
            b"string": ("GET",),
            b"set": ("SMEMBERS",),
        }[server.wire.call("TYPE", name)]
        found = server.wire.call(read[0], name, *read[1:])
        out += [name, *(found if isinstance(found, list) else [found])]
    return b"\n".join(out)


def routes() -> list[Any]:
    """A parameter per rule, with its method and path as the test's name."""
    import pytest

    return [pytest.param(rule, id=f"{rule.method} {rule.path}") for rule in API]


class Process:
    """`nexq server` as a process: `with Process(folder, url, "--auth") as server: …`."""

    verb = "server"

    def __init__(self, folder: Path, url: str, *args: str, host: str = "127.0.0.1", env: dict[str, str] | None = None):
        self.folder = folder
        self.port = free_port()
        self.host = host
        self.args = args
        self.env = {k: v for k, v in os.environ.items() if not k.startswith("NEXQ_")}
        self.env |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NEXQ_URL": url, **(env or {})}
        self.log = folder / f"server-{self.port}.log"
        self.popen: subprocess.Popen[bytes] | None = None
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20.0, trust_env=False)

    def nexq(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Run another verb of nexq to its end."""
        return subprocess.run(
            [sys.executable, "-m", "nexq", *args],
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self) -> Process:
        """Start it, without waiting."""
        with self.log.open("wb") as log:
            self.popen = subprocess.Popen(
                [sys.executable, "-m", "nexq", self.verb, *self.args, "--host", self.host, "--port", str(self.port)],
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    def __enter__(self) -> Process:
        self.start()
        try:
            until_sync(lambda: self.ended() is not None or self.answers("/readyz"), 20.0, what="/readyz")
            assert self.ended() is None, self.text()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.client.close()
        assert self.popen is not None
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait(5)
            raise

    def ended(self) -> int | None:
        """Its exit code, or None while it runs."""
        assert self.popen is not None
        return self.popen.poll()

    def answers(self, path: str, status: int = 200) -> bool:
        """Whether a path is answered with that status."""
        try:
            return self.client.get(path).status_code == status
        except httpx.TransportError:
            return False

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """End it; its exit code, and how long that took."""
        assert self.popen is not None
        began = time.monotonic()
        self.popen.send_signal(how)
        return self.popen.wait(20), time.monotonic() - began

    def text(self) -> str:
        """What it has said."""
        return self.log.read_text()


def bearer(text: str) -> dict[str, str]:
    """The header of a token."""
    return {"Authorization": f"Bearer {text}"}


@contextlib.contextmanager
def peopled(server: Server) -> Iterator[Secured]:
    """A secured site with a token of every kind, by name."""
    with secured(server) as site:
        for name in ("read", "write", "root"):
            site.make(name, "admin" if name == "root" else name)
        site.make("mailer", "write", "mail*")
        site.make("postmaster", "admin", "mail*")
        site.make("expired", "admin", now_ms="1000", ttl_s=1.0)
        site.make("revoked", "admin")
        assert site.ask("root", "DELETE", f"/api/tokens/{site.made['revoked'].id}").status_code == 204
        yield site
