"""Members: the workers' signs of life, the queues and the handlers that are known."""

from __future__ import annotations

from nexq.keys import worker_control_keys
from tests.contract.bench import T0, Bench

DAY = 86_400_000


async def test_a_namespace_that_nobody_used_knows_nothing(store: Bench) -> None:
    seen = await store.views.directory()
    assert (seen.now_ms, seen.queues, seen.workers, seen.handlers) == (T0, [], [], {})


async def test_a_worker_is_alive_for_the_time_it_said(store: Bench) -> None:
    store.at(100)
    assert await store.members.beat("w1", 5000, b'{"host":"h","slots":4}') == T0 + 100
    store.at(5099)
    (worker,) = (await store.views.directory()).workers
    assert (worker.id, worker.alive, worker.alive_until_ms) == ("w1", True, T0 + 5100)
    assert worker.info == {"host": "h", "slots": 4}
    store.at(5100)
    (worker,) = (await store.views.directory()).workers
    assert worker.alive is False
    known = {"id": "w1", "alive": False, "alive_until_ms": T0 + 5100, "host": "h", "slots": 4}
    assert worker.as_dict() == {**known, "state": "lost", "seen_ms": None}


async def test_a_later_sign_of_life_replaces_the_earlier_one(store: Bench) -> None:
    await store.members.beat("w1", 5000, b'{"running":1}')
    store.at(1000)
    await store.members.beat("w1", 5000, b'{"running":2}')
    (worker,) = (await store.views.directory()).workers
    assert (worker.alive_until_ms, worker.info) == (T0 + 6000, {"running": 2})


async def test_a_worker_that_leaves_is_gone_at_once(store: Bench) -> None:
    await store.members.beat("w1", 5000, b"{}")
    await store.members.beat("w2", 5000, b"{}")
    await store.members.beat("w1", 0, b"")
    assert [w.id for w in (await store.views.directory()).workers] == ["w2"]
    await store.members.beat("w1", 0, b"")


async def test_workers_are_listed_newest_sign_of_life_first(store: Bench) -> None:
    for i, worker in enumerate(["w1", "w3", "w2"]):
        store.at(i)
        await store.members.beat(worker, 5000, b"{}")
    assert [w.id for w in (await store.views.directory()).workers] == ["w2", "w3", "w1"]


async def test_a_queue_is_known_from_the_first_time_it_was_named(store: Bench) -> None:
    for queue in ("b", "a", "b", ""):
        await store.members.register(queue)
    assert (await store.views.directory()).queues == ["a", "b"]


async def test_handlers_are_known_with_what_was_last_said_of_them(store: Bench) -> None:
    await store.members.register("mail", {"send": b'{"doc":"old"}', "read": b"{}"})
    await store.members.register("mail", {"send": b'{"doc":"new"}'})
    assert (await store.views.directory()).handlers == {"send": {"doc": "new"}, "read": {}}


async def test_a_worker_silent_for_a_day_is_forgotten_when_somebody_registers(store: Bench) -> None:
    await store.members.beat("old", 1000, b"{}")
    store.at(1000)
    await store.members.beat("new", 1000, b"{}")
    store.at(1000 + DAY)
    await store.members.register("mail")
    assert [w.id for w in (await store.views.directory()).workers] == ["new"]


async def test_at_most_a_hundred_workers_are_forgotten_in_a_call(store: Bench) -> None:
    for i in range(120):
        await store.members.beat(f"w{i}", 1000, b"{}")
    store.at(2 * DAY)
    await store.members.register()
    assert len((await store.views.directory()).workers) == 20


async def test_namespaces_do_not_see_each_other(store: Bench) -> None:
    other = Bench(store.backend, "other")
    await store.members.register("mail", {"send": b"{}"})
    await store.members.beat("w1", 1000, b"{}")
    await store.add("a")
    seen = await other.views.directory()
    assert (seen.queues, seen.workers, seen.handlers) == ([], [], {})
    assert await other.dump() == {}


async def test_a_worker_is_told_what_to_do_on_its_own_list_in_order(store: Bench) -> None:
    await store.members.order("w1", "concurrency 4")
    await store.members.order("w1", "drain")
    await store.members.order("w2", "stop")
    (own,) = worker_control_keys("nexq", [], "w1")
    assert [await store.backend.wait([own], 1) for _ in range(2)] == [(own, b"concurrency 4"), (own, b"drain")]
