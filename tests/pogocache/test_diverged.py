"""Replicas that came to different states: each entry names its writer's, so the next one tells."""

from __future__ import annotations

import secrets

import pytest

from nexq.backends.pogocache import PogocacheBackend
from nexq.backends.pogocache.entry import seal
from nexq.errors import ReplicaDiverged
from nexq.job import Spec
from nexq.store import Entry, Store
from tests.support.pogocache import GivenPogocache, Pogocache

SPEC = Spec("t", b"{}").pack()


def _stores(server: Pogocache | GivenPogocache) -> tuple[Store, Store]:
    url = f"{server.url}/t{secrets.token_hex(6)}"
    one, two = (Store(PogocacheBackend(url, patience_s=10.0, share=False)) for _ in range(2))
    return one, two


def _backend(store: Store) -> PogocacheBackend:
    assert isinstance(store.backend, PogocacheBackend)
    return store.backend


async def _ready(store: Store) -> int:
    return (await store.views.queue("mail")).counts["ready"]


async def test_a_replica_that_differs_is_made_anew(pogocache: Pogocache | GivenPogocache) -> None:
    one, two = _stores(pogocache)
    await one.moves.enqueue("mail", [Entry("a", SPEC)])
    assert await _ready(two) == 1
    machine = _backend(two).replica.machine
    machine.engine.command(b"DEL", b"nexq:{mail}:ready:5")
    machine.digest ^= 1
    await one.moves.enqueue("mail", [Entry("b", SPEC)])
    assert await _ready(two) == 2
    assert _backend(two).replica.machine.digest == _backend(one).replica.machine.digest
    await two.moves.enqueue("mail", [Entry("c", SPEC)])
    assert await _ready(one) == 3
    await one.aclose()
    await two.aclose()


async def test_a_writer_that_differs_stops_who_reads_it(pogocache: Pogocache | GivenPogocache) -> None:
    one, two = _stores(pogocache)
    await one.moves.enqueue("mail", [Entry("a", SPEC)])
    replica = _backend(one).replica
    tip = replica.tip()
    raw = seal(1, tip.position + 1, replica.time_us(), b"a writer", 1, tip.hash, tip.digest ^ 1, [])
    pogocache.wire.call("SET", replica.keys.entry(1, tip.position + 1), raw)
    for store in (one, two):
        with pytest.raises(ReplicaDiverged, match="nexq doctor"):
            await store.moves.enqueue("mail", [Entry("b", SPEC)])
    # Nothing was written after it.
    assert pogocache.wire.call("GET", replica.keys.entry(1, tip.position + 2)) is None
    await one.aclose()
    await two.aclose()
