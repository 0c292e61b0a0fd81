"""A power cut at any byte of the append-only file leaves a legal state. NEXQ_SOAK_CUTS for more than 100.

kill -9 of the server shows nothing of this: what it wrote stays in the kernel's memory. So the file itself is cut.
"""

from __future__ import annotations

import asyncio
import os
from bisect import bisect_right
from collections.abc import Iterator

import pytest

from nexq.backends.redis import RedisBackend
from nexq.doctor import examine
from nexq.keys import queue_keys
from nexq.store import Store
from nexq.store.moves import new_nonce
from tests.faults.soak_cuts import QUEUE, Life, dump, sizes_of_sets, start_on_cut
from tests.faults.test_kills import SEED

CUTS = int(os.environ.get("NEXQ_SOAK_CUTS", "100"))


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    """A life of 250 calls."""
    with asyncio.Runner() as runner:
        life = runner.run(_live())
        yield life
        runner.run(life.aclose())


async def _live() -> Life:
    life = Life(SEED)
    await life.live(250)
    return life


@pytest.mark.timeout(60 + CUTS)
async def test_a_cut_anywhere_is_a_moment_that_was(life: Life) -> None:
    ends = [length for length, _ in life.points]
    assert ends == sorted(ends)
    before = kept = 0
    for number in range(CUTS):
        # Half of the cuts near a call's end, where a state is half-written if it ever is.
        length = life.rng.randint(0, ends[-1])
        if number % 2:
            length = max(0, min(ends[-1], life.rng.choice(ends) + life.rng.randint(-40, 40)))
        at = bisect_right(ends, length) - 1
        was = life.points[at][1] if at >= 0 else {}
        server = start_on_cut(life.server.folder, length)
        store = Store(RedisBackend(server.url))
        try:
            assert await dump(store) == was, f"cut at byte {length}, call {at}"
            assert sizes_of_sets(server) == len(was) == server.wire.call("HLEN", queue_keys("nexq", QUEUE)["jobs"])
            report = await examine(store, queues=[QUEUE])
            assert not [f for f in report.findings if f.severity == "error"], report.as_dict()
            before += len(was)
            kept += 1
            if number % 20 == 0:
                await _sent_again_and_drained(life, store, length)
        finally:
            await store.aclose()
            server.kill()
            server.stop()
    print(f"{kept} cuts of {ends[-1]:,} bytes and {len(ends)} calls, {before:,} jobs looked at")


async def _sent_again_and_drained(life: Life, store: Store, length: int) -> None:
    """Producers that do not know what was kept send everything again; then a worker takes all there is."""
    store.set_clock(f"{life.now_ms:.3f}")
    there = set(await dump(store))
    gone = {e.id for at, e in life.acked if at <= length and e.id not in there}
    late = [e for at, e in life.acked if at > length]
    refused = await store.moves.enqueue(QUEUE, late)
    assert not refused, "a job that the cut took is refused as if it were there"
    again = [e for at, e in life.acked if at <= length and e.id in there][:500]
    refused = await store.moves.enqueue(QUEUE, again)
    assert [r.why for r in refused] == ["DUPLICATE"] * len(again)
    assert set(await dump(store)) == (there | {e.id for e in late}) - gone
    for turn in range(200):
        store.set_clock(f"{life.now_ms + 1000 * (turn + 1):.3f}")
        reply = await store.moves.exchange(QUEUE, "w", new_nonce(), lease_ms=500, limit=200, tidy=False)
        done = [part for claim in reply.claims for part in (claim.id, claim.token, b"")]
        await store.moves.exchange(QUEUE, "w", new_nonce(), lease_ms=500, limit=0, completed=done)
        left = [state for state, *_ in (await dump(store)).values() if state not in ("completed", "dead", "cancelled")]
        if not left:
            return
    raise AssertionError(f"not drained: {left}")
