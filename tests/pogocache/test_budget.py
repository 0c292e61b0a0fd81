"""The byte budget: a server that fills up takes no new jobs, while those that are there go on and leave."""

from __future__ import annotations

import base64
import random

import pytest

from nexq.backends.pogocache import PogocacheBackend, tend
from nexq.errors import BackendUnavailable
from nexq.job import Spec
from nexq.store import Entry, Store
from tests.support.pogocache import Pogocache

#: About 100,000 bytes, also when it is compressed.
BIG = Spec("t", b'"' + base64.b64encode(random.Random(1).randbytes(100_000)) + b'"').pack()


async def test_over_the_budget_only_enqueues_are_refused(
    server: Pogocache, log: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tend, "MEASURE_S", 0.0)
    store = Store(PogocacheBackend(f"{server.url}/{log}?budget_mb=1", patience_s=10.0, share=False))
    taken = 0
    with pytest.raises(BackendUnavailable, match="over the budget of 1 MiB") as raised:
        while taken < 100:
            await store.moves.enqueue("mail", [Entry(f"j{taken}", BIG)])
            taken += 1
    assert "budget_mb" in str(raised.value)
    assert 8 <= taken <= 12
    # What is there can be seen, claimed and completed.
    assert (await store.views.queue("mail")).counts["ready"] == taken
    claims = (await store.moves.exchange("mail", "w1", "1", lease_ms=60_000, limit=100)).claims
    flat = [part for claim in claims for part in (claim.id, claim.token, b"")]
    assert (await store.moves.exchange("mail", "w1", "2", lease_ms=1, limit=0, completed=flat)).stale == []
    await store.aclose()


async def test_below_the_budget_jobs_are_taken_again(server: Pogocache, log: str) -> None:
    server.wire.call("SET", "ballast", "x" * (2 << 20))
    backend = PogocacheBackend(f"{server.url}/{log}?budget_mb=1", patience_s=10.0, share=False)
    store = Store(backend)
    link = await backend.line.link()
    await tend.measure(link, backend.replica)
    with pytest.raises(BackendUnavailable, match="budget"):
        await store.moves.enqueue("mail", [Entry("a", BIG)])
    server.wire.call("DEL", "ballast")
    await tend.measure(link, backend.replica)
    assert await store.moves.enqueue("mail", [Entry("a", BIG)]) == []
    await store.aclose()
