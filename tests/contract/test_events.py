"""Events: noted while somebody listens, numbered without gaps; new queues are followed from their first job."""

from __future__ import annotations

from tests.contract.bench import Bench, Q


async def told(store: Bench, queue: str, after: int) -> tuple[int, list[str]]:
    first, events = await store.views.follow(queue, after)
    return first, [event.what for event in events]


async def test_moves_are_noted_only_while_somebody_listens(store: Bench) -> None:
    await store.add("a")
    newest = await store.moves.listen(Q, 10.0)
    await store.add("b")
    store.at(20_000)
    await store.add("c")
    assert await told(store, Q, newest) == (newest + 1, ["ready"])


async def test_what_was_missed_leaves_a_number_out(store: Bench) -> None:
    newest = await store.moves.listen(Q, 10.0)
    store.at(20_000)
    await store.add("a")
    await store.moves.listen(Q, 10.0)
    await store.add("b")
    assert await told(store, Q, newest) == (newest + 2, ["ready"])


async def test_of_a_queue_that_never_was_nothing_was_missed(store: Bench) -> None:
    assert await store.moves.listen(Q, 10.0) == 0
    await store.add("a")
    assert await told(store, Q, 0) == (1, ["ready"])


async def test_of_a_queue_that_was_something_was_missed(store: Bench) -> None:
    await store.add("a")
    assert await store.moves.listen(Q, 10.0) == 1


async def test_a_new_queue_is_listened_to_where_somebody_listens_to_all(store: Bench) -> None:
    await store.make_known("before")
    await store.members.listen_all(10.0)
    await store.make_known("during")
    store.at(20_000)
    await store.make_known("after")
    store.at(0)
    fields = {}
    for queue in ("before", "during", "after"):
        await store.add("a", queue=queue)
        fields[queue] = await told(store, queue, 0)
    assert fields == {"before": (1, []), "during": (1, ["ready"]), "after": (1, [])}
