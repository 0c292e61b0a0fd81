"""Every call may be repeated: a reply that got lost is asked for again, with the same arguments."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nexq.backends.base import Arg, Backend, Reply
from nexq.errors import JobNotFound
from nexq.scripts import Script
from nexq.states import JobState
from nexq.store import Exchanged
from tests.contract.bench import LEASE, T0, Bench, Settled, ids


class Doubling:
    """A backend on which every reply is lost once: each call is applied, then sent again."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.replies: list[tuple[str, Reply, Reply]] = []

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        first = await self._backend.run(script, tag, keys, args)
        again = await self._backend.run(script, tag, keys, args)
        self.replies.append((script.name, first, again))
        return again

    def __getattr__(self, name: str) -> object:
        return getattr(self._backend, name)


def _plain(answer: Exchanged) -> tuple[object, ...]:
    return (
        answer.now_ms,
        answer.stale,
        [(c.id, c.spec, c.token, c.counts) for c in answer.claims],
    )


async def test_a_repeated_exchange_gives_the_same_claims_and_claims_no_more(store: Bench) -> None:
    await store.add(*"abcd")
    first = await store.exchange(limit=2, nonce="n")
    before = await store.dump()
    again = await store.exchange(limit=2, nonce="n")
    assert _plain(again) == _plain(first)
    assert await store.dump() == before


async def test_a_repeated_exchange_does_not_settle_twice(store: Bench) -> None:
    await store.add(*"abc")
    a, b = await store.claim(2)
    call = {
        "completed": [a.id, a.token, b"1"],
        "others": ["retry", b.id, b.token, 50, b"{}", "bury", "ghost", 9, 0, b"{}"],
        "limit": 1,
        "nonce": "n",
    }
    first = await store.exchange(**call)
    before = await store.dump()
    store.at(1000)
    again = await store.exchange(**call)
    assert first.stale == again.stale == [b"ghost"]
    assert _plain(again)[1:] == _plain(first)[1:]
    assert await store.dump() == before


async def test_a_repeat_with_counts_gives_them_again(store: Bench) -> None:
    await store.add("a")
    await store.settle("retry", *await store.claim())
    first = await store.exchange(limit=1, nonce="n")
    again = await store.exchange(limit=1, nonce="n")
    assert first.claims[0].counts == again.claims[0].counts == b"2 2 0"


async def test_a_claim_lost_meanwhile_is_not_given_again_and_the_others_keep_their_tokens(store: Bench) -> None:
    await store.add(*"abc")
    await store.exchange(limit=3, nonce="n")
    await store.exchange(worker="w2", completed=[b"b", 2, b""])
    again = await store.exchange(limit=3, nonce="n")
    assert [(c.id, c.token, bool(c.spec)) for c in again.claims] == [
        (b"a", 1, True),
        (b"b", 2, False),
        (b"c", 3, True),
    ]


async def test_a_claim_that_another_worker_holds_by_now_is_not_given_again(store: Bench) -> None:
    await store.add("a")
    await store.exchange(limit=1, nonce="n")
    store.at(LEASE)
    assert ids(await store.claim(worker="w2")) == ["a"]
    (again,) = (await store.exchange(limit=1, nonce="n")).claims
    assert again.spec == b""


async def test_nonces_of_two_workers_do_not_meet(store: Bench) -> None:
    await store.add("a", "b")
    assert ids(await store.claim(worker="w1", nonce="n")) == ["a"]
    assert ids(await store.claim(worker="w2", nonce="n")) == ["b"]


async def test_a_nonce_that_starts_like_another_is_another(store: Bench) -> None:
    await store.add("a", "b")
    assert ids(await store.claim(nonce="n1")) == ["a"]
    assert ids(await store.claim(nonce="n")) == ["b"]


async def test_a_completion_handed_in_again_under_a_new_nonce_is_no_surprise(store: Bench) -> None:
    await store.add("a")
    (claim,) = await store.claim()
    assert await store.complete(claim, result=b"1") == []
    before = (await store.dump())["completed"]
    store.at(50)
    assert await store.complete(claim, result=b"2") == []
    dump = await store.dump()
    assert (dump["completed"], dump["results"]) == (before, {"a": b"1"})
    assert dump["queue"]["completed_total"] == 1


async def test_a_completion_given_twice_in_one_call_counts_once(store: Bench) -> None:
    await store.add("a")
    (claim,) = await store.claim()
    assert await store.complete(claim, claim) == []
    assert (await store.dump())["queue"]["completed_total"] == 1


async def test_an_outcome_given_twice_in_one_call_is_stale_the_second_time(store: Bench) -> None:
    await store.add("a")
    (claim,) = await store.claim()
    assert await store.settle("retry", claim, claim, delay_ms=9) == ["a"]
    assert await store.states() == {"retrying": {"a": T0 + 9}}
    assert len((await store.views.get("mail", "a")).attempts) == 1


async def test_any_other_outcome_handed_in_again_is_stale_and_changes_nothing(store: Bench) -> None:
    await store.add("a")
    (claim,) = await store.claim()
    assert await store.settle("retry", claim, delay_ms=50) == []
    before = await store.dump()
    assert await store.settle("retry", claim, delay_ms=50) == ["a"]
    assert await store.dump() == before


async def test_an_exchange_that_did_nothing_may_do_something_when_repeated(store: Bench) -> None:
    assert await store.claim(nonce="n") == []
    await store.add("a")
    assert ids(await store.claim(nonce="n")) == ["a"]


@pytest.mark.parametrize("verb", ["cancel", "cancel running", "run_now", "reprioritize", "pause", "resume", "watch"])
async def test_a_verb_repeated_answers_alike_and_changes_nothing_more(store: Bench, verb: str) -> None:
    await store.add("a", delay="" if verb == "cancel running" else "5000")
    if verb == "cancel running":
        await store.claim()
    calls = {
        "cancel": lambda: store.moves.cancel("mail", "a"),
        "cancel running": lambda: store.moves.cancel("mail", "a"),
        "run_now": lambda: store.moves.run_now("mail", "a"),
        "reprioritize": lambda: store.moves.reprioritize("mail", "a", 9),
        "pause": lambda: store.moves.pause("mail", b'{"reason":"x"}'),
        "resume": lambda: store.moves.pause("mail", b""),
        "watch": lambda: store.moves.watch("mail", "a", "me"),
    }
    first = await calls[verb]()
    before = await store.dump()
    assert await calls[verb]() == first
    assert await store.dump() == before


async def test_a_revival_repeated_changes_nothing_more_and_says_where_the_job_is(store: Bench) -> None:
    await store.add("a")
    await store.settle("bury", *await store.claim())
    assert await store.moves.revive("mail", "a") == (True, JobState.READY)
    before = await store.dump()
    assert await store.moves.revive("mail", "a") == (False, JobState.READY)
    assert await store.dump() == before


async def test_a_deletion_repeated_changes_nothing_more(store: Bench) -> None:
    await store.add("a")
    assert await store.moves.delete("mail", "a") is True
    before = await store.dump()
    with pytest.raises(JobNotFound):
        await store.moves.delete("mail", "a")
    assert await store.dump() == before


async def test_extending_twice_is_extending_once(store: Bench) -> None:
    await store.add("a")
    (claim,) = await store.claim()
    pair = [(claim.id, claim.token)]
    assert await store.moves.extend("mail", pair, 99) == await store.moves.extend("mail", pair, 99) == ([], [])
    assert await store.states() == {"running": {"a": T0 + 99}}


async def test_a_whole_life_in_which_every_reply_is_lost_once_is_an_ordinary_life(store: Bench) -> None:
    lossy = Doubling(store.backend)
    doubled = Bench(lossy)  # type: ignore[arg-type]
    for bench in (doubled, store):
        bench.at(0)
    # The first enqueue's repeat says DUPLICATE: the job is there, once.
    assert [r.why for r in await doubled.add("a", "b", "c")] == ["DUPLICATE"] * 3
    a, b, c = await doubled.claim(3)
    assert await doubled.settle("retry", a, delay_ms=10) == []
    assert await doubled.complete(b, result=b"1") == []
    assert await doubled.settle("bury", c) == []
    doubled.at(10)
    (a,) = await doubled.claim()
    assert await doubled.complete(Settled("a", a.token)) == []
    dump = await store.dump()
    assert {k: set(v) for k, v in dump.items() if k in ("completed", "dead", "running")} == {
        "completed": {"a", "b"},
        "dead": {"c"},
    }
    totals = {k: v for k, v in dump["queue"].items() if k.endswith("_total")}
    assert totals == {"enqueued_total": 3, "retried_total": 1, "completed_total": 2, "dead_total": 1}
    for name, first, again in lossy.replies:
        if name == "exchange":
            assert first == again


async def test_a_call_that_is_late_claims_nothing_for_a_worker_that_has_asked_again_since(store: Bench) -> None:
    await store.add("a", "b")
    assert ids(await store.claim(nonce="2")) == ["a"]
    before = await store.dump()
    assert ids(await store.claim(5, nonce="1")) == []
    assert await store.dump() == before
    assert ids(await store.claim(nonce="3")) == ["b"]


async def test_the_outcomes_of_a_late_call_are_settled_or_named_as_stale(store: Bench) -> None:
    """A reply without a stale id says that the outcome was recorded: it must not be said of one that was not."""
    await store.add("a", "b")
    (a,) = await store.claim(nonce="1")
    await store.claim(nonce="3")
    answer = await store.exchange(completed=[a.id, a.token, b"1"], limit=5, nonce="2")
    assert answer.stale == [b"a"] or await store.where("a") == ["completed"]


async def test_a_late_call_does_not_make_the_newest_one_forgotten(store: Bench) -> None:
    """Its repeat has to get the same claims; else these would wait for their leases to run out."""
    await store.add("a", "b")
    assert ids(await store.claim(nonce="3")) == ["a"]
    await store.settle("retry", Settled("ghost", 1), nonce="2")
    assert ids(await store.claim(nonce="3")) == ["a"]


async def test_a_late_call_of_another_worker_is_not_late(store: Bench) -> None:
    await store.add("a", "b")
    await store.claim(nonce="9", worker="w1")
    assert ids(await store.claim(nonce="1", worker="w2")) == ["b"]
