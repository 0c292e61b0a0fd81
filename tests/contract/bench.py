"""The store as the contract tests use it: a virtual clock, short hands, and a look at the whole state."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, cast

from nexq.backends.base import Arg, Backend, Reply
from nexq.job import DEFAULT_MAX_LOST, Spec
from nexq.keys import QUEUE_KEYS, queue_keys
from nexq.scripts import Script
from nexq.store import Claim, Entry, Exchanged, Refused, Store

Q = "mail"
#: Where the virtual clock starts, ms.
T0 = 1_000_000_000_000.0
LEASE = 10_000.0
STATES = ("blocked", "scheduled", "retrying", "running", "completed", "dead", "cancelled")
_nonces = (f"n{i}" for i in itertools.count(1))


def _script(name: str, body: str, *, read_only: bool = False) -> Script:
    text = "#!lua\n" + body
    return Script(name, (), (), body, text, hashlib.sha1(text.encode()).hexdigest(), read_only)


#: Figures (test_series.py, test_reap.py) are no part of what jobs are: a dump leaves them out.
_FIGURES = {"minute", "rerouted"}
_KINDS = {
    **{k: v for k, v in QUEUE_KEYS.items() if v != "prefix" and k not in _FIGURES},
    **{f"ready:{p}": "zset" for p in range(10)},
}
_READ = {"hash": "HGETALL", "zset": "ZRANGE', KEYS[{i}], 0, -1, 'WITHSCORES", "list": "EXISTS"}


def _dump_body() -> str:
    calls = []
    for i, kind in enumerate(_KINDS.values(), 1):
        command = _READ[kind].format(i=i)
        rest = "" if kind == "zset" else f", KEYS[{i}]"
        calls.append(f"redis.call('{command}'{rest})")
    more = f"for i = {len(calls) + 1}, #KEYS do out[i] = redis.call('LRANGE', KEYS[i], 0, -1) end"
    return "local out = {" + ",\n".join(calls) + "}\n" + more + "\nreturn out\n"


DUMP = _script("test_dump", _dump_body(), read_only=True)
#: For seeding what no verb makes.
_ZADD = _script("test_zadd", "redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])\nreturn 'OK'\n")
_HSET = _script("test_hset", "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])\nreturn 'OK'\n")
_TAKE = _script("test_take", "local l = redis.call('LRANGE', KEYS[1], 0, -1)\nredis.call('DEL', KEYS[1])\nreturn l\n")
_ZREM = _script("test_zrem", "redis.call('ZREM', KEYS[1], ARGV[1])\nreturn 'OK'\n")

State = dict[str, Any]


class Settled(NamedTuple):
    """A claim as a test hands it in: also one that never was."""

    id: str
    token: int


def canonical(reply: Reply) -> State:
    """The dump's reply as {key: {member: score} | {field: value} | True}, without what is empty.

    Scores and the record's numbers are floats: how a server writes them is its own affair.
    """
    out: State = {}
    for (name, kind), raw in zip(_KINDS.items(), cast("list[Any]", reply), strict=False):
        if not raw:
            continue
        if kind == "list":
            out[name] = True
            continue
        pairs = {raw[i].decode(): raw[i + 1] for i in range(0, len(raw), 2)}
        if kind == "zset":
            pairs = {k: float(v) for k, v in pairs.items()}
        elif name == "queue":
            pairs = {k: v if k == "paused" else float(v) for k, v in pairs.items() if k not in _FIGURES}
        out[name] = pairs
    return out


def only_states(dump: State) -> State:
    """Of a dump, the sets that are states."""
    return {k: v for k, v in dump.items() if k in STATES or k.startswith("ready:")}


def without_clock(dump: State) -> State:
    """A dump without what any call that writes touches: the queue's own clock, and zeros written for the first time."""
    out = {k: v for k, v in dump.items() if k != "queue"}
    record = {k: v for k, v in dump.get("queue", {}).items() if k != "now_ms" and v}
    return {**out, "queue": record} if record else out


class Bench(Store):
    """A Store with the clock at T0 and short hands for the queue Q."""

    def __init__(self, backend: Backend, namespace: str = "nexq") -> None:
        super().__init__(backend, namespace)
        self.at(0)

    def at(self, after_ms: float) -> None:
        """Set the virtual clock to T0 + after_ms."""
        self.set_clock(f"{T0 + after_ms:.3f}")

    async def add(
        self,
        *ids: str,
        queue: str = Q,
        type: str = "t",
        payload: bytes = b"{}",
        priority: int = 5,
        max_lost: int = DEFAULT_MAX_LOST,
        delay: str = "",
        unique: str = "",
        options: dict[str, Any] | None = None,
    ) -> list[Refused]:
        """Enqueue jobs with these ids, alike but for the id."""
        spec = Spec(type, payload, priority, max_lost, unique, options or {}).pack()
        return await self.moves.enqueue(queue, [Entry(id, spec, delay, unique) for id in ids])

    async def exchange(
        self, *, worker: str = "w1", nonce: str = "", queue: str = Q, lease_ms: float = LEASE, **more: Any
    ) -> Exchanged:
        """An exchange that claims nothing unless told so; each call has a new nonce unless given one."""
        more.setdefault("limit", 0)
        return await self.moves.exchange(queue, worker, nonce or next(_nonces), lease_ms=lease_ms, **more)

    async def claim(self, limit: int = 1, **more: Any) -> list[Claim]:
        """Claim jobs."""
        return (await self.exchange(limit=limit, **more)).claims

    async def complete(self, *claims: Claim | Settled, result: bytes = b"", **more: Any) -> list[str]:
        """Complete claims. Returns the ids that were stale."""
        flat: list[Arg] = [part for c in claims for part in (c.id, c.token, result)]
        return [id.decode() for id in (await self.exchange(completed=flat, **more)).stale]

    async def settle(
        self, kind: str, *claims: Claim | Settled, delay_ms: float | str = 0, detail: bytes = b"{}", **more: Any
    ) -> list[str]:
        """Settle claims in another way. Returns the ids that were stale."""
        flat: list[Arg] = [part for c in claims for part in (kind, c.id, c.token, delay_ms, detail)]
        return [id.decode() for id in (await self.exchange(others=flat, **more)).stale]

    async def to_state(self, id: str, state: str, *, result: bytes = b"", **more: Any) -> None:
        """A new job with this id, brought to a state; due later or leased for half a lease. No other may be ready."""
        if state == "scheduled":
            more["delay"] = f"{LEASE / 2}"
        await self.add(id, **more)
        if state in ("ready", "scheduled"):
            return
        held = [c for c in await self.claim(1000, lease_ms=LEASE / 2) if c.id != id.encode()]
        mine = [Settled(id, self._token(await self.dump(), id))]
        if state == "completed":
            await self.complete(*mine, result=result)
        elif state != "running":
            kind = {"retrying": "retry", "dead": "bury", "cancelled": "cancel"}[state]
            await self.settle(kind, *mine, delay_ms=LEASE / 2)
        await self.settle("release", *held)

    @staticmethod
    def _token(dump: State, id: str) -> int:
        return int(dump["runs"][id].split(b" ")[0])

    async def dump(self, queue: str = Q, lists: Sequence[str] = ()) -> State:
        """The whole state of a queue, and the elements of some lists (done:<waiter>, control:<worker>)."""
        keys = [self._key(name, queue) for name in (*_KINDS, *lists)]
        reply = cast("list[Any]", await self.backend.run(DUMP, queue, keys, ()))
        seen = canonical(reply)
        for name, elements in zip(lists, reply[len(_KINDS) :], strict=True):
            if elements:
                seen[name] = [e.decode() for e in elements]
        return seen

    async def states(self, queue: str = Q) -> State:
        """Which job stands where, and with what score."""
        return only_states(await self.dump(queue))

    async def where(self, id: str, queue: str = Q) -> list[str]:
        """The sets that hold a job: one for a job that is there, none for one that is not."""
        return [name for name, members in (await self.states(queue)).items() if id in members]

    async def take(self, key: str, queue: str = Q) -> list[str]:
        """Take all elements of one of the queue's lists: wake, done:<waiter>, control:<worker>."""
        reply = await self.backend.run(_TAKE, queue, (self._key(key, queue),), ())
        return [element.decode() for element in cast("list[bytes]", reply)]

    async def take_one(self, key: str, timeout_s: float, queue: str = Q) -> str | None:
        """Wait for one element of a list of the queue."""
        got = await self.backend.wait([self._key(key, queue)], timeout_s)
        return got[1].decode() if got else None

    async def plant_hash(self, key: str, field: str, value: str, queue: str = Q) -> None:
        """Set a field of one of the queue's hashes behind the scripts' back."""
        await self.backend.run(_HSET, queue, (self._key(key, queue),), (field, value))

    async def plant(self, state: str, id: str, score: float, queue: str = Q) -> None:
        """Put an id into a state's set behind the scripts' back."""
        await self.backend.run(_ZADD, queue, (self._key(state, queue),), (score, id))

    async def unplant(self, state: str, id: str, queue: str = Q) -> None:
        """Take an id out of a state's set behind the scripts' back."""
        await self.backend.run(_ZREM, queue, (self._key(state, queue),), (id,))

    def _key(self, name: str, queue: str) -> str:
        prefix, _, rest = name.partition(":")
        return queue_keys(self.namespace, queue)[prefix] + rest


def ids(claims: Iterable[Claim]) -> list[str]:
    """The ids of claims."""
    return [c.id.decode() for c in claims]
