"""What the scripts write, on every backend: one delivery for each end that is wanted, and no other."""

from __future__ import annotations

from typing import Any

import pytest

from nexq.doctor import examine
from nexq.errors import InvalidJob
from nexq.job import Spec
from nexq.states import JobState
from nexq.store import Claim, Entry, HookedEntry
from nexq.webhooks import Webhook
from nexq.webhooks.hook import pack_hooks
from tests.contract.bench import LEASE, T0, Bench, Q, ids
from tests.webhooks.conftest import deliveries

URL = "https://hooks.example/a"
ALL = ("completed", "dead", "cancelled")


def hook(*on: str, path: str = "", key: str = "default") -> Webhook:
    return Webhook(URL + path, on or ALL, key)  # type: ignore[arg-type]


async def add(store: Bench, id: str, *hooks: Webhook, **more: Any) -> None:
    """Enqueue one job with webhooks."""
    entry = Entry(id, Spec("t", b"{}", max_lost=more.pop("max_lost", 3)).pack(), **more)
    await store.moves.enqueue(Q, [HookedEntry.of(entry, pack_hooks(hooks)) if hooks else entry])


async def claim_job(store: Bench, id: str) -> Claim:
    """Claim one job and give the rest back."""
    claims = {c.id.decode(): c for c in await store.claim(100)}
    mine = claims.pop(id)
    await store.settle("release", *claims.values())
    return mine


async def told(store: Bench) -> list[tuple[str, str]]:
    """(job, state) of every delivery, and whether each is as it should be."""
    found = []
    for record in await deliveries(store, Q):
        assert record.state is JobState.READY
        assert (record.spec.priority, record.spec.max_lost, record.id.count("~hook")) == (5, 9, 1)
        assert record.spec.enqueued_ms == record.payload["at_ms"]
        found.append((record.payload["job"], record.payload["state"]))
    return sorted(found)


ENDS = {
    "complete": "completed",
    "bury": "dead",
    "cancel": "cancelled",
    "cancel-waiting": "cancelled",
    "cancel-running": "cancelled",
    "reap-lost": "dead",
    "reap-asked": "cancelled",
}


async def end(store: Bench, how: str, id: str) -> None:
    """End a ready job in one way."""
    if how == "cancel-waiting":
        assert await store.moves.cancel(Q, id) is JobState.CANCELLED
        return
    claim = await claim_job(store, id)
    if how in ("cancel-running", "reap-asked"):
        await store.moves.cancel(Q, id)
    if how == "complete":
        assert await store.complete(claim, result=b"1") == []
    elif how.startswith("reap"):
        store.at(2 * LEASE)
        await store.moves.tidy(Q)
    else:
        assert await store.settle("retry" if how == "cancel-running" else how, claim) == []


@pytest.mark.parametrize("whole_queue", [False, True], ids=["own", "queue"])
@pytest.mark.parametrize("how", ENDS)
async def test_every_way_to_end_is_told_once(store: Bench, how: str, whole_queue: bool) -> None:
    if whole_queue:
        await store.hooks.add(Q, hook().pack())
    await add(store, "a", *([] if whole_queue else [hook()]), max_lost=0)
    await end(store, how, "a")
    assert await told(store) == [("a", ENDS[how])]
    view = await store.views.queue(Q)
    assert view.totals["enqueued"] == 2 and view.counts[JobState.READY] == 1
    assert [f.as_dict() for f in (await examine(store)).findings if f.code not in ("server", "log")] == []


@pytest.mark.parametrize("wanted", ["completed", "dead", "cancelled"])
@pytest.mark.parametrize("how", ["complete", "bury", "cancel-waiting"])
async def test_only_the_ends_that_are_wanted(store: Bench, how: str, wanted: str) -> None:
    await add(store, "a", hook(wanted))
    await end(store, how, "a")
    assert await told(store) == ([("a", wanted)] if ENDS[how] == wanted else [])


async def test_what_is_no_end_is_not_told(store: Bench) -> None:
    await add(store, "a", hook())
    for kind in ("retry", "snooze", "release"):
        await store.settle(kind, *await store.claim())
        await store.moves.tidy(Q)
    await store.claim()
    store.at(2 * LEASE)
    await store.moves.tidy(Q)
    assert await told(store) == []


async def test_each_hook_is_told_the_jobs_own_and_the_queues(store: Bench) -> None:
    await store.hooks.add(Q, hook("completed", path="/q1").pack())
    await store.hooks.add(Q, hook("dead", path="/q2").pack())
    await store.hooks.add(Q, hook("dead", "completed", path="/q3", key="k").pack())
    await add(store, "a", hook(path="/own1"), hook("completed", path="/own2"), hook("dead", path="/own3"))
    await add(store, "b")
    await store.complete(*await store.claim(2))
    found = sorted((r.payload["job"], r.payload["hook"]["url"][-2:]) for r in await deliveries(store, Q))
    assert found == [("a", "n1"), ("a", "n2"), ("a", "q1"), ("a", "q3"), ("b", "q1"), ("b", "q3")]
    assert {r.payload["hook"]["key"] for r in await deliveries(store, Q)} == {"default", "k"}


async def test_what_a_delivery_says(store: Bench) -> None:
    await add(store, "a", hook("completed"))
    claims = await store.claim()
    store.at(1234.4)
    await store.complete(*claims)
    (record,) = await deliveries(store, Q)
    number = int(record.id.partition("~hook")[2])
    assert number > claims[0].token
    assert record.payload == {
        "job": "a",
        "type": "t",
        "state": "completed",
        "at_ms": T0 + 1234,
        "number": number,
        "hook": {"url": URL, "key": "default"},
    }


async def test_a_repeated_settle_writes_no_second_delivery(store: Bench) -> None:
    await add(store, "a", hook())
    (claim,) = await store.claim()
    for _ in range(2):
        assert await store.complete(claim, nonce="same") == []
    assert await store.complete(claim) == []
    assert await store.settle("bury", claim) == ["a"]
    assert await told(store) == [("a", "completed")]


async def test_each_life_is_told_of(store: Bench) -> None:
    await add(store, "a", hook())
    for _ in range(3):
        await store.moves.cancel(Q, "a")
        await store.moves.revive(Q, "a")
    await end(store, "complete", "a")
    assert await told(store) == [("a", "cancelled")] * 3 + [("a", "completed")]
    numbers = [record.payload["number"] for record in await deliveries(store, Q)]
    assert len(set(numbers)) == 4


async def test_the_end_of_a_delivery_is_told_to_nobody(store: Bench) -> None:
    await store.hooks.add(Q, hook().pack())
    await add(store, "a")
    await end(store, "complete", "a")
    (delivery,) = await store.claim(10)
    await store.settle("bury", delivery)
    await store.moves.revive(Q, delivery.id.decode())
    await store.complete(*await store.claim(10))
    assert [(r.payload["job"], r.state) for r in await deliveries(store, Q)] == [("a", JobState.COMPLETED)]


async def test_a_delivery_takes_no_id_that_a_job_has(store: Bench) -> None:
    await add(store, "a", hook())
    claims = await store.claim()
    taken = [f"a~hook{claims[0].token + n}" for n in (1, 2)]
    await store.add(*taken)
    await store.complete(*claims)
    (record,) = await deliveries(store, Q)
    assert record.id == f"a~hook{claims[0].token + 3}"
    assert {(await store.views.get(Q, id)).spec.type for id in taken} == {"t"}


@pytest.mark.parametrize("id", ['"', "\\", 'a"b\\"c', "</script>", "ü\u2028€𝄞", "x" * 200, "é" * 200, "𝄞" * 200])
async def test_odd_ids_and_types_arrive_as_they_are(store: Bench, id: str) -> None:
    entry = Entry(id, Spec('t"\\ü', b"{}").pack())
    await store.moves.enqueue(Q, [HookedEntry.of(entry, pack_hooks([hook()]))])
    await store.moves.cancel(Q, id)
    (record,) = await deliveries(store, Q)
    assert (record.payload["job"], record.payload["type"]) == (id, 't"\\ü')
    assert len(record.id) <= 200 or not id.isascii()


async def test_a_waiting_worker_is_woken_for_it(store: Bench) -> None:
    await add(store, "a", hook(), delay="60000")
    await store.take("wake")
    await store.moves.cancel(Q, "a")
    assert await store.take("wake") == ["1"]
    await store.moves.revive(Q, "a")
    claims = {c.id: c for c in await store.claim(10)}
    await store.take("wake")
    await store.complete(claims[b"a"])
    assert await store.take("wake") == ["1"], "the worker that settles may take no more"


async def test_the_worker_that_settles_may_take_it_at_once(store: Bench) -> None:
    await add(store, "a", hook())
    (claim,) = await store.claim()
    got = await store.exchange(limit=10, completed=[claim.id, claim.token, b""])
    assert [c.id.partition(b"~")[0] for c in got.claims] == [b"a"]
    assert got.claims[0].token > int(ids(got.claims)[0].partition("~hook")[2])


async def test_hooks_go_with_their_job(store: Bench) -> None:
    for id in ("deleted", "purged", "pruned", "kept"):
        await add(store, id, hook("dead"))
    await store.moves.delete(Q, "deleted")
    assert set((await store.dump())["hooks"]) == {"purged", "pruned", "kept"}
    await store.moves.cancel(Q, "purged")
    await store.moves.purge(Q, JobState.CANCELLED)
    await store.moves.cancel(Q, "pruned")
    assert set((await store.dump())["hooks"]) == {"pruned", "kept"}
    store.at(1000)
    await store.moves.tidy(Q, "0 0 0 0 60000")
    assert set((await store.dump())["hooks"]) == {"kept"}
    await store.moves.delete(Q, "kept")
    assert "hooks" not in await store.dump()


async def test_a_job_that_is_not_taken_brings_no_hooks(store: Bench) -> None:
    await store.add("a", unique="")
    entry = Entry("a", Spec("t", b"{}").pack())
    (refused,) = await store.moves.enqueue(Q, [HookedEntry.of(entry, pack_hooks([hook()]))])
    assert refused.why == "DUPLICATE"
    assert "hooks" not in await store.dump()


async def test_jobs_with_and_without_hooks_go_in_one_call(store: Bench) -> None:
    spec = Spec("t", b"{}").pack()
    entries = [Entry(f"j{i}", spec, "60000" if i % 2 else "") for i in range(100)]
    hooked = [HookedEntry.of(e, pack_hooks([hook()])) if i % 3 == 0 else e for i, e in enumerate(entries)]
    assert await store.moves.enqueue(Q, hooked) == []
    dump = await store.dump()
    assert set(dump["hooks"]) == {e.id for e in entries[::3]} and len(dump["jobs"]) == 100
    assert len(dump["scheduled"]) == 50


async def test_hooks_that_are_none_are_refused_before_anything_is_written(store: Bench) -> None:
    entry = Entry("a", Spec("t", b"{}").pack())
    for bad in (b"z {}", b"c[]", b"{}", b" "):
        with pytest.raises(InvalidJob, match="webhooks"):
            await store.moves.enqueue(Q, [HookedEntry.of(entry, bad)])
    assert await store.dump() == {}


async def test_a_thousand_ends_in_one_call(store: Bench) -> None:
    await store.hooks.add(Q, hook("completed", path="/1").pack())
    await store.hooks.add(Q, hook("completed", path="/2").pack())
    await store.add(*(f"j{i}" for i in range(1000)))
    await store.complete(*await store.claim(1000))
    view = await store.views.queue(Q)
    assert (view.counts[JobState.READY], view.totals["enqueued"]) == (2000, 3000)
    assert [f.as_dict() for f in (await examine(store)).findings if f.code not in ("server", "log")] == []


async def test_the_hooks_of_a_queue_come_and_go(store: Bench) -> None:
    one, two = hook().pack(), hook("dead", path="/2").pack()
    for line in (one, two, one):
        await store.hooks.add(Q, line)
    assert await store.hooks.of_queue(Q) == [one, two]
    assert await store.hooks.of_queue("other") == []
    assert await store.hooks.remove(Q, one) and not await store.hooks.remove(Q, one)
    assert await store.hooks.of_queue(Q) == [two]
    assert await store.hooks.remove(Q, two)
    await store.add("a")
    await store.moves.cancel(Q, "a")
    assert await told(store) == []
    for i in range(10):
        await store.hooks.add(Q, hook(path=f"/{i}").pack())
    with pytest.raises(InvalidJob, match="10 webhooks"):
        await store.hooks.add(Q, hook(path="/11").pack())


async def test_keys_are_two_of_a_name_at_most(store: Bench) -> None:
    for n in range(4):
        await store.hooks.add_key("k", f"id{n}", f"whsec_{n}")
        # A repeat, after the answer was lost.
        found = await store.hooks.add_key("k", f"id{n}", f"whsec_{n}")
        assert [key.id for key in found] == [f"id{m}" for m in (n, n - 1) if m >= 0]
    await store.hooks.add_key("other", "x", "whsec_x")
    everything = await store.hooks.keys()
    assert {name: [k.secret for k in keys] for name, keys in everything.items()} == {
        "k": ["whsec_3", "whsec_2"],
        "other": ["whsec_x"],
    }
    assert "whsec" not in repr(everything)
    assert await store.hooks.keys("none") == {}
    assert await store.hooks.drop_key("k", "id2") == 1 and await store.hooks.drop_key("k", "id2") == 0
    assert [k.id for k in (await store.hooks.keys("k"))["k"]] == ["id3"]
    assert await store.hooks.drop_key("k") == 1 and await store.hooks.keys("k") == {}
