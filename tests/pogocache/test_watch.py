"""While nothing happens a thread looks at the log, over whatever leads to the server; nothing is missed."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from nexq.backends.pogocache import PogocacheBackend, line, watch
from nexq.job import Spec
from nexq.keys import queue_keys
from nexq.store import Entry, Store
from tests.support.pogocache import Certificates, Pogocache
from tests.support.waiting import until

KEYS = [queue_keys("nexq", "q")["wake"]]
WOKEN = KEYS[0], b"1"
#: At rest a quarter of a second after the last job.
QUICK = "poll_ms=4&busy_poll_ms=1"


@pytest.fixture(params=["plain", "password", "tls", "unix"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    tls = Certificates.make(tmp_path) if request.param == "tls" else None
    auth = "se/c:r%t" if request.param == "password" else ""
    server = Pogocache(auth=auth, tls=tls, unix=request.param == "unix").start()
    try:
        if tls is not None:
            yield f"{server.tls_url}/w?{QUICK}&ssl_ca_certs={tls.certificate}"
        elif request.param == "unix":
            yield f"pogocache+unix://{server.address}?name=w&{QUICK}"
        else:
            yield f"{server.url}/w?{QUICK}"
    finally:
        server.stop()


@asynccontextmanager
async def resting(url: str) -> AsyncIterator[tuple[PogocacheBackend, Store, asyncio.Task[tuple[str, bytes] | None]]]:
    """A backend that waits and is at rest, another one's store, and the wait."""
    backend, other = (PogocacheBackend(url, patience_s=10.0, share=False) for _ in range(2))
    waiting = asyncio.create_task(backend.wait(KEYS, 30))
    try:
        await until(watchers, 10.0, "the thread to look")
        yield backend, Store(other), waiting
    finally:
        waiting.cancel()
        for one in (backend, other):
            await one.aclose()
        await until(lambda: not watchers(), 10.0, "the thread to end")


def watchers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "nexq-pogocache-watch"]


async def enqueue(store: Store, id: str) -> None:
    await store.moves.enqueue("q", [Entry(id, Spec(type="t", payload=b"{}").pack())])


async def test_a_thread_looks_and_hands_over_what_comes(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with resting(url) as (backend, store, waiting):
        looks: list[float] = []
        looked = backend.replica.looked
        monkeypatch.setattr(backend.replica, "looked", lambda: (looks.append(0.0), looked())[1])
        seen: list[object] = []
        look = line.look

        async def note(link: line.Link, replica: line.Replica) -> None:
            seen.append(link)
            await look(link, replica)

        monkeypatch.setattr(line, "look", note)
        await until(lambda: len(looks) >= 20, 10.0, "twenty looks")
        assert backend.line._watch.usable and len(seen) <= 2, "the loop looked, too"
        await enqueue(store, "a")
        assert await asyncio.wait_for(waiting, 10) == WOKEN
        assert backend.replica.machine.position == store.backend.replica.machine.position + 1, "and it was taken"  # type: ignore[attr-defined]


async def test_without_its_connection_the_loop_looks_itself(url: str) -> None:
    async with resting(url) as (backend, store, waiting):
        thread = backend.line._watch
        await until(lambda: thread._socket is not None, 10.0, "the thread to connect")
        assert thread._socket is not None
        thread._socket.shutdown(socket.SHUT_RDWR)
        await until(lambda: not thread.usable, 10.0, "the thread to notice")
        await enqueue(store, "a")
        assert await asyncio.wait_for(waiting, 10) == WOKEN


async def test_a_server_that_comes_back_is_watched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "TROUBLE_S", 0.1)
    server = Pogocache(persist=True).start()
    try:
        async with resting(f"{server.url}/w?{QUICK}") as (backend, store, waiting):
            await enqueue(store, "a")
            assert await asyncio.wait_for(waiting, 10) == WOKEN
            server.kill()
            server.start()
            await enqueue(store, "b")
            assert await backend.wait(KEYS, 20) == WOKEN
            again = asyncio.create_task(backend.wait(KEYS, 30))
            await until(watchers, 10.0, "the thread to look again")
            await enqueue(store, "c")
            assert await asyncio.wait_for(again, 10) == WOKEN
    finally:
        server.stop()
