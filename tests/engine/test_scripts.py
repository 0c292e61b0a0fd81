"""Random histories of nexq's own scripts: the engine and a real server answer and keep the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nexq.backends.base import Arg, Reply
from nexq.errors import NexqError
from nexq.scripts import Script
from nexq.states import JobState
from tests.contract.bench import Bench, Q, Settled
from tests.engine.twin import Twin, plain
from tests.support.servers import Server


class TwinBackend:
    """A backend that runs each script on both, and fails where they differ."""

    url = "twin://"

    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """Run a script on both."""
        parts = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]
        theirs = self.twin.wire.call("EVAL", script.text, len(keys), *keys, *parts)
        ours = self.twin.engine.run(script, [key.encode() for key in keys], parts)
        # The order of a hash's fields is the server's own affair.
        assert _sorted_fields(script, plain(ours)) == _sorted_fields(script, plain(theirs)), (script.name, keys, args)
        return ours


def _sorted_fields(script: Script, reply: Any) -> Any:
    if script.name != "counts":
        return reply
    flat = reply[2]
    return [*reply[:2], sorted(zip(flat[::2], flat[1::2], strict=True)), *reply[3:]]


IDS = [f"j{i}" for i in range(8)]
ids = st.sampled_from(IDS)
step = st.one_of(
    st.tuples(
        st.just("add"),
        st.lists(ids, min_size=1, max_size=6),
        st.integers(0, 9),
        st.sampled_from(["", "", "", "500", "2500.5", "@1000000003000"]),
        st.sampled_from(["", "", "", "u1", "u2"]),
        st.sampled_from([0, 3]),
    ),
    st.tuples(st.just("claim"), st.sampled_from(["w1", "w2"]), st.integers(0, 5)),
    st.tuples(st.just("settle"), st.sampled_from(["w1", "w2"]), st.integers(0, 4), st.integers(0, 3)),
    st.tuples(st.just("complete"), st.integers(1, 4), st.sampled_from([b"", b'{"a":1}']), st.integers(0, 3)),
    st.tuples(
        st.just("end"),
        st.sampled_from(["retry", "bury", "snooze", "cancel", "release"]),
        st.sampled_from([0, 700, 0.5]),
    ),
    st.tuples(st.just("repeat"), st.sampled_from(["w1", "w2"])),
    st.tuples(st.just("pass"), st.sampled_from([0, 0.5, 1, 400.25, 3000, 11_000, 90_000])),
    st.tuples(st.just("extend"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["cancel", "run_now", "revive", "delete", "get"]), ids),
    st.tuples(st.just("reprioritize"), ids, st.integers(0, 9)),
    st.tuples(st.sampled_from(["purge", "page"]), st.sampled_from([s for s in JobState if s.value != "blocked"])),
    st.tuples(st.sampled_from(["pause", "wake", "queue", "tidy", "directory", "get_many"])),
    st.tuples(st.just("watch"), ids),
)


class Player:
    """Plays the steps on a store, and remembers the claims that were given."""

    def __init__(self, store: Bench) -> None:
        self.store = store
        self.held: list[Settled] = []
        self.nonces = {"w1": 0, "w2": 0}
        self.after_ms = 0.0

    async def play(self, name: str, *args: Any) -> None:
        """One step. Moves that are not allowed are part of the play."""
        try:
            if hasattr(self, f"_{name}"):
                await getattr(self, f"_{name}")(*args)
            else:
                await getattr(self.store.moves, name)(Q, *args)
        except NexqError as error:
            assert "Script" not in type(error).__name__, error

    async def _add(self, jobs: list[str], priority: int, delay: str, unique: str, max_lost: int) -> None:
        await self.store.add(*jobs, priority=priority, delay=delay, unique=unique, max_lost=max_lost)

    async def _claim(self, worker: str, limit: int, **more: Any) -> None:
        self.nonces[worker] += 1
        done = await self.store.exchange(
            worker=worker, nonce=f"{worker}.{self.nonces[worker]}", limit=limit, keep="5000 3 5000 2 8000", **more
        )
        self.held += [Settled(claim.id.decode(), claim.token) for claim in done.claims]

    async def _settle(self, worker: str, limit: int, count: int) -> None:
        mine, self.held = self.held[:count], self.held[count:]
        await self._claim(worker, limit, completed=[part for c in mine for part in (c.id, c.token, b"")])

    async def _complete(self, count: int, result: bytes, shift: int) -> None:
        # With a shift, the token is not the newest: refused.
        mine = [Settled(c.id, c.token - shift) for c in self.held[-count:]]
        if mine:
            await self.store.complete(*mine, result=result)

    async def _end(self, kind: str, delay_ms: float) -> None:
        if self.held:
            await self.store.settle(kind, self.held.pop(0), delay_ms=delay_ms, detail=b'{"why":"test"}')

    async def _repeat(self, worker: str) -> None:
        await self.store.exchange(worker=worker, nonce=f"{worker}.{self.nonces[worker]}", limit=3)

    async def _pass(self, ms: float) -> None:
        self.after_ms += ms
        self.store.at(self.after_ms)

    async def _extend(self, count: int) -> None:
        claims = [(c.id.encode(), c.token) for c in self.held[:count]]
        if claims:
            await self.store.moves.extend(Q, claims, 20_000)

    async def _reprioritize(self, id: str, priority: int) -> None:
        await self.store.moves.reprioritize(Q, id, priority)

    async def _get(self, id: str) -> None:
        await self.store.views.get(Q, id)

    async def _get_many(self) -> None:
        await self.store.views.get_many(Q, IDS)

    async def _page(self, state: JobState) -> None:
        priority = 5 if state is JobState.READY else None
        rows = await self.store.views.page(Q, state, limit=2, priority=priority)
        if rows:
            await self.store.views.page(Q, state, limit=2, newest=False, after=rows[0], priority=priority)

    async def _queue(self) -> None:
        await self.store.views.queue(Q)

    async def _directory(self) -> None:
        await self.store.members.register(Q, {"t": b"{}"})
        await self.store.members.beat("w1", 5000, b"{}")

    async def _pause(self) -> None:
        await self.store.moves.pause(Q, b"" if self.after_ms % 2 else b'{"by":"test"}')

    async def _tidy(self) -> None:
        await self.store.moves.tidy(Q, keep="5000 3 5000 2 8000", slice=3)

    async def _watch(self, id: str) -> None:
        await self.store.moves.watch(Q, id, "waiter1")


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(steps=st.lists(step, min_size=20, max_size=60))
def test_the_scripts(server: Server, steps: list[tuple[Any, ...]]) -> None:
    twin = Twin(server)

    async def play() -> None:
        player = Player(Bench(TwinBackend(twin)))  # type: ignore[arg-type]
        await player.play("add", IDS[:5], 5, "", "", 3)
        for name, *args in steps:
            await player.play(name, *args)

    asyncio.run(play())
    assert twin.engine_state() == twin.server_state()
