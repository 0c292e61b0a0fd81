"""A queue with jobs in every state, to be damaged by hand."""

from __future__ import annotations

from nexq.job import Spec
from nexq.store import Entry, Store

QUEUE = "ward"


def spec(**options: object) -> bytes:
    """A spec's bytes."""
    return Spec(type="t", payload=b'{"a":1}', **options).pack()  # type: ignore[arg-type]


async def stock(store: Store) -> dict[str, str]:
    """Put jobs in every state; returns state -> id of one of them."""
    names = ["completed", "dead", "cancelled", "retrying", "running", "running2"]
    await store.members.register(QUEUE, {"t": b"{}"})
    await store.moves.enqueue(QUEUE, [Entry(f"{n}-1", spec(options={"max_attempts": 3})) for n in names])
    first = await store.moves.exchange(QUEUE, "w1", "n1", lease_ms=30_000, limit=10)
    token = {claim.id.decode().partition("-")[0]: claim.token for claim in first.claims}
    await store.moves.exchange(
        QUEUE,
        "w1",
        "n2",
        lease_ms=30_000,
        limit=0,
        completed=("completed-1", token["completed"], b'"done"'),
        others=[
            *("bury", "dead-1", token["dead"], 0, b'{"type":"E","message":"m"}'),
            *("cancel", "cancelled-1", token["cancelled"], 0, b"{}"),
            *("retry", "retrying-1", token["retrying"], 60_000, b'{"type":"E","message":"m"}'),
        ],
    )
    await store.moves.enqueue(
        QUEUE,
        [
            Entry("ready-1", spec()),
            Entry("ready-2", spec(priority=9)),
            Entry("unique-1", spec(unique="u"), "", "u"),
            Entry("scheduled-1", spec(), "60000"),
        ],
    )
    return {n: f"{n}-1" for n in [*names, "ready", "unique", "scheduled"]}


def key(name: str, queue: str = QUEUE) -> str:
    """The full name of a key."""
    return f"nexq:{{{queue}}}:{name}"
