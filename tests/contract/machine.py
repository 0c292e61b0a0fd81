"""One queue on every side at once, the model and each backend: same replies, same state, after every step."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from nexq.backends.memory import MemoryBackend
from nexq.backends.redis import RedisBackend
from nexq.errors import JobNotFound, UniqueConflict
from nexq.job import Spec
from nexq.states import JobState
from nexq.store import Entry
from tests.contract.bench import T0, Bench, State
from tests.contract.invariants import check_invariants
from tests.contract.model import GONE, OUTCOMES
from tests.contract.model_records import Rule
from tests.contract.model_verbs import QueueModel
from tests.contract.pair import Pair
from tests.contract.table import IDS, LISTS, RULES, VERBS, WAITERS, WORKERS
from tests.support.servers import Server

keeps = st.sampled_from([*RULES[:1] * 6, *RULES])
ids = st.sampled_from(IDS)
workers = st.sampled_from(WORKERS)
slices = st.sampled_from([100, 100, 2, 1, 0])
leases = st.sampled_from([1000.0, 200.5, 20.0])
delays = st.sampled_from([0, 0, 0.125, 10, 300, 5000.25])
tokens = st.sampled_from(["newest", "newest", "newest", "older", "never"])
outcomes = st.lists(st.tuples(ids, st.sampled_from(["complete", *OUTCOMES]), tokens, delays), min_size=1, max_size=3)


#: One history in so many runs on Pogocache too: a call costs ten times as much there.
PAIR_EVERY = 3


class QueueMachine(RuleBasedStateMachine):
    """One queue on every side."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    servers: ClassVar[dict[str, tuple[Server, RedisBackend]]]
    pogocache_url: ClassVar[str]
    pair: ClassVar[Pair | None] = None
    starts: ClassVar[Iterator[int]] = count()
    cells: ClassVar[Counter[tuple[str, str]]] = Counter()
    events: ClassVar[set[tuple[str, str]]] = set()
    steps: ClassVar[int] = 0

    @initialize()
    def start(self) -> None:
        self.model = QueueModel(time=T0)
        self.benches = {"memory": Bench(MemoryBackend())}
        for name, (server, backend) in self.servers.items():
            server.wire.call("FLUSHALL")
            self.benches[name] = Bench(backend)
        self.end_pair()
        if next(self.starts) % PAIR_EVERY == 0:
            type(self).pair = pair = Pair(self.pogocache_url)
            self.benches["pogocache"] = Bench(pair)
        self.nonce = 0
        self.calls: dict[str, dict[str, Any]] = {}
        self.late: dict[str, dict[str, Any] | None] = {}
        self.last: State = {}

    @classmethod
    def end_pair(cls) -> None:
        """Close the two replicas of the history before; they must have become the same."""
        if cls.pair is not None:
            differences = cls.loop.run_until_complete(cls.pair.differences())
            cls.loop.run_until_complete(cls.pair.aclose())
            cls.pair = None
            assert not differences, f"two replicas of one log differ in {differences}"

    # The steps

    @rule(
        chosen=st.lists(ids, min_size=1, max_size=4),
        delay=st.sampled_from(["", "", "", "0", "0.5", "40", "3000", "@", "@300"]),
        unique=st.sampled_from(["", "", "k1", "k2"]),
        priority=st.sampled_from([5, 5, 9, 0]),
        max_lost=st.sampled_from([0, 0, 1, 9]),
        options=st.booleans(),
    )
    def enqueue(self, chosen: list[str], delay: str, unique: str, priority: int, max_lost: int, options: bool) -> None:
        self.enqueue_all(chosen, delay, unique, priority, max_lost, options)

    def enqueue_all(
        self, chosen: list[str], delay: str, unique: str, priority: int, max_lost: int, options: bool
    ) -> None:
        if delay.startswith("@"):
            delay = f"@{self.model.time + float(delay[1:] or -5):.3f}"
        for id in chosen:
            self.reached(id, "enqueue")
        packed = Spec("t", b'{"n":1}', priority, max_lost, unique, {"x": 1} if options else {}).pack()
        entries = [Entry(id, packed, delay, unique) for id in chosen]
        expected = self.model.enqueue([tuple(e) for e in entries])

        async def call(bench: Bench) -> Any:
            return [(r.place, r.why, r.holder) for r in await bench.moves.enqueue("mail", entries)]

        self.compare(expected, call)

    @rule(worker=workers, limit=st.sampled_from([1, 2, 5, 100]), lease=leases, slice=slices)
    def claim(self, worker: str, limit: int, lease: float, slice: int) -> None:
        self.exchange(worker, limit, lease, slice, RULES[0], [])

    @rule(delay=st.sampled_from(["", "", "3000"]), unique=st.booleans())
    def fill(self, delay: str, unique: bool) -> None:
        """Every id at once: most histories would else be about jobs that are not there."""
        self.enqueue_all(IDS, delay, "k1" if unique else "", 5, 0, False)

    @rule(worker=workers, slice=slices)
    def claim_all(self, worker: str, slice: int) -> None:
        self.exchange(worker, 100, 1000.0, slice, RULES[0], [])

    @rule(worker=workers, kind=st.sampled_from(["complete", *OUTCOMES]), delay=delays, keep=keeps)
    def settle_some(self, worker: str, kind: str, delay: float, keep: Rule) -> None:
        """Half of the running jobs, by those who hold them."""
        running = sorted(self.model.sets["running"])
        if running:
            picked = [(id, kind, "newest", delay) for id in running[: (len(running) + 1) // 2]]
            self.exchange(worker, 0, 1000.0, 100, keep, picked)

    @rule(worker=workers, picked=outcomes, limit=st.sampled_from([0, 0, 2]), slice=slices, keep=keeps)
    def settle(
        self, worker: str, picked: list[tuple[str, str, str, float]], limit: int, slice: int, keep: Rule
    ) -> None:
        self.exchange(worker, limit, 1000.0, slice, keep, picked)

    @rule(worker=workers)
    def repeat_exchange(self, worker: str) -> None:
        """The reply was lost: the same call, the same nonce."""
        if worker in self.calls:
            self.run_exchange(self.calls[worker])

    @rule(worker=workers)
    def late_exchange(self, worker: str) -> None:
        """The call before the last one arrives once more, after it."""
        given = self.late.get(worker)
        if given:
            self.run_exchange(given)

    @rule(picked=st.lists(st.tuples(ids, tokens), min_size=1, max_size=3), lease=leases)
    def extend(self, picked: list[tuple[str, str]], lease: float) -> None:
        claims = []
        for id, which in picked:
            self.reached(id, "extend", which)
            claims.append((id, self.token(id, which)))
        expected = self.model.extend(claims, lease)

        async def call(bench: Bench) -> Any:
            lost, stop = await bench.moves.extend("mail", [(i.encode(), t) for i, t in claims], lease)
            return [i.decode() for i in lost], [i.decode() for i in stop]

        self.compare(expected, call)

    @rule(
        name=st.sampled_from([*VERBS, "cancel"]),
        id=ids,
        priority=st.sampled_from([0, 5, 9]),
        waiter=st.sampled_from(WAITERS),
    )
    def verb(self, name: str, id: str, priority: int, waiter: str) -> None:
        self.reached(id, name)
        args: tuple[Any, ...] = (id,)
        if name in ("reprioritize", "watch"):
            args += (priority if name == "reprioritize" else waiter,)
        expected = getattr(self.model, name)(*args)
        self.compare(expected, lambda bench: getattr(bench.moves, name)("mail", *args))

    @rule(state=st.sampled_from([s for s in JobState if s is not JobState.RUNNING]), limit=st.sampled_from([1, 2, 500]))
    def purge(self, state: JobState, limit: int) -> None:
        expected = self.model.purge(state.value, limit)
        self.compare(expected, lambda bench: bench.moves.purge("mail", state, limit))

    @rule(reason=st.sampled_from([b'{"reason":"x"}', b"", b""]))
    def pause(self, reason: bytes) -> None:
        self.compare(self.model.pause(reason), lambda bench: bench.moves.pause("mail", reason))

    @rule(keep=keeps, slice=slices)
    def tidy(self, keep: Rule, slice: int) -> None:
        expected = self.model.tidy(keep, slice)
        self.compare(expected, lambda bench: bench.moves.tidy("mail", keep.pack(), slice))

    @rule(by=st.sampled_from([0.001, 0.25, 1, 15, 60, 250, 1000, 7000, -50]))
    def advance(self, by: float) -> None:
        """Time goes on; or the clock steps back."""
        text = f"{self.model.time + by:.3f}"
        self.model.time = float(text)
        for bench in self.benches.values():
            bench.set_clock(text)

    # What they share

    def exchange(
        self, worker: str, limit: int, lease: float, slice: int, keep: Rule, picked: list[tuple[str, str, str, float]]
    ) -> None:
        self.nonce += 1
        completed, others = [], []
        for id, kind, which, delay in picked:
            self.reached(id, f"settle-{kind}", which)
            token = self.token(id, which)
            if kind == "complete":
                completed.append((id, token, b"%d" % self.nonce if self.nonce % 2 else b""))
            else:
                others.append((kind, id, token, delay, '{"type":"E"}'))
        given = {"worker": worker, "nonce": f"{self.nonce}", "lease_ms": lease, "limit": limit, "slice": slice}
        self.late[worker] = self.calls.get(worker)
        self.calls[worker] = {**given, "rule": keep, "completed": completed, "others": others}
        self.run_exchange(self.calls[worker])

    def run_exchange(self, given: dict[str, Any]) -> None:
        expected = self.model.exchange(**given)
        flat = {k: [part for outcome in given[k] for part in outcome] for k in ("completed", "others")}
        rest = {k: given[k] for k in ("worker", "nonce", "lease_ms", "limit", "slice")}

        async def call(bench: Bench) -> Any:
            got = await bench.exchange(**rest, keep=given["rule"].pack(), **flat)
            return {
                "now_ms": got.now_ms,
                "next_s": got.next_s,
                "stale": [i.decode() for i in got.stale],
                "claims": [(c.id.decode(), c.spec, c.token, c.counts.decode()) for c in got.claims],
            }

        self.compare(expected, call)

    def token(self, id: str, which: str) -> int:
        newest = self.model.runs[id].token if id in self.model.runs else 0
        return {"newest": newest, "older": max(0, newest - 1), "never": self.model.token + 10}[which]

    def reached(self, id: str, operation: str, which: str = "newest") -> None:
        type(self).cells[self.model.state_of(id), operation + ("" if which == "newest" else " stale")] += 1

    def compare(self, expected: Any, call: Callable[[Bench], Awaitable[Any]]) -> None:
        """The same reply and the same state afterwards on every side."""
        type(self).steps += 1
        state = self.model.dump()
        state |= {k: list(v) for k, v in self.model.lists.items() if v}
        wakes = set()
        for (name, _), (reply, dump) in zip(self.benches.items(), self.ask_all(call), strict=True):
            assert reply == expected, f"{name} answered {reply!r}, the model {expected!r}"
            wakes.add(dump.pop("wake", False))
            assert dump == state, f"{name} is not as the model"
        assert len(wakes) == 1, "one side woke somebody, another did not"
        check_invariants(self.last, state)
        self.last = state
        type(self).events |= self.model.events

    def ask_all(self, call: Callable[[Bench], Awaitable[Any]]) -> list[tuple[Any, State]]:
        """Each side's reply and state."""

        async def ask(bench: Bench) -> tuple[Any, State]:
            return await self.reply(bench, call), await bench.dump(lists=LISTS)

        async def gather() -> list[tuple[Any, State]]:
            return await asyncio.gather(*map(ask, self.benches.values()))

        return self.loop.run_until_complete(gather())

    @staticmethod
    async def reply(bench: Bench, call: Callable[[Bench], Awaitable[Any]]) -> Any:
        """A side's reply; of an error, what the model says instead."""
        try:
            return await call(bench)
        except JobNotFound:
            return GONE
        except UniqueConflict as error:
            return "CONFLICT", error.holder

    # One cell of the table

    def bring(self, id: str, state: str) -> None:
        """A job to a state, from nothing."""
        if state == "absent":
            return
        self.enqueue_all([id], "3000" if state == "scheduled" else "", "k1", 5, 0, False)
        if state == "tomb":
            self.verb("delete", id, 0, "")
        elif state not in ("scheduled", "ready"):
            self.exchange("w1", 1, 1000.0, 100, RULES[0], [])
            kind = {"retrying": "retry", "completed": "complete", "dead": "bury", "cancelled": "cancel"}.get(state)
            if kind:
                self.exchange("w1", 0, 1000.0, 100, RULES[0], [(id, kind, "newest", 300)])
        assert self.model.state_of(id) == state

    def operate(self, id: str, operation: str) -> None:
        """An operation on a job, as the table calls it."""
        name, _, stale = operation.partition(" ")
        which = "older" if stale else "newest"
        if name == "enqueue":
            self.enqueue_all([id], "", "", 9, 1, True)
        elif name == "extend":
            self.extend([(id, which)], 1000.0)
        elif name in VERBS:
            self.verb(name, id, 9, "me")
        else:
            self.exchange("w2", 0, 1000.0, 100, RULES[0], [(id, name.removeprefix("settle-"), which, 10)])
