"""The moves: one method per script that changes a queue. Each is atomic and may be repeated."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from nexq.backends.base import Arg, Backend
from nexq.errors import InvalidJob, JobNotFound, OutcomeUnknown, UniqueConflict
from nexq.journal import Report
from nexq.keys import queue_keys
from nexq.scripts import Script, load
from nexq.states import JobState

#: A late repeat of an enqueue is recognised for this long after the job was deleted; patience must be shorter.
TOMB_MS = 60_000
BATCH = 500


class Entry(NamedTuple):
    """One job to enqueue. `spec`: Spec.pack(). `delay`: '' now, ms from now, or '@<Unix ms>'."""

    id: str
    spec: bytes
    delay: str = ""
    unique: str = ""

    def renamed(self, id: str) -> Entry:
        """The same under another id."""
        return self._replace(id=id)


class HookedEntry(Entry):
    """One job to enqueue that has webhooks of its own. `hooks`: a line each, as lua/lib/hooks.lua reads them.

    Not a field of `Entry`: few jobs have any, and a bulk enqueue hands over every field of each job.
    """

    hooks: bytes

    @classmethod
    def of(cls, entry: Entry, hooks: bytes) -> HookedEntry:
        """The entry with webhooks."""
        hooked = cls(*entry)
        hooked.hooks = hooks
        return hooked

    def renamed(self, id: str) -> HookedEntry:
        """The same under another id."""
        return HookedEntry.of(self._replace(id=id), self.hooks)


@dataclass(frozen=True, slots=True)
class Refused:
    """A job that was not taken: its id is known, or `holder` has its unique key."""

    place: int
    why: str
    holder: str


class Claim:
    """A job handed to this worker. `counts`: '<attempt> <delivery> <lost>' of one that ran before, else b''."""

    __slots__ = ("counts", "id", "spec", "token")

    def __init__(self, id: bytes, spec: bytes, token: int, counts: bytes = b"") -> None:
        self.id = id
        self.spec = spec
        self.token = token
        self.counts = counts


@dataclass(slots=True)
class Exchanged:
    """The answer to an exchange. `next_s`: seconds until something is due, None for nothing."""

    now_ms: float
    next_s: float | None
    stale: list[bytes]
    claims: list[Claim]


@dataclass(frozen=True, slots=True)
class Keep:
    """How long, and how many at most, ended jobs are kept per queue. Completed and cancelled share a rule."""

    completed_s: float = 86_400.0
    completed_count: int = 100_000
    dead_s: float = 180 * 86_400.0
    dead_count: int = 100_000

    def pack(self) -> str:
        """The rule as the scripts read it."""
        return (
            f"{self.completed_s * 1000:.0f} {self.completed_count} {self.dead_s * 1000:.0f} {self.dead_count} {TOMB_MS}"
        )


class Moves:
    """The moves of the jobs of one namespace on one backend."""

    def __init__(self, backend: Backend, namespace: str = "nexq", *, now_ms: str = "") -> None:
        self.backend = backend
        self.namespace = namespace
        #: Empty: the server's clock. Tests give a virtual one.
        self.now_ms = now_ms
        self._bound: dict[tuple[str, str, str], tuple[Script, list[str]]] = {}

    async def enqueue(self, queue: str, entries: Sequence[Entry], *, remember_s: float = 0.0) -> list[Refused]:
        """Take jobs in, at most 1,000; a repeat of an id changes nothing. Returns those not taken.

        remember_s  recognise a repeat for so long, or until `forget`, whatever becomes of the jobs meanwhile
        """
        script, keys = self._bind("enqueue", queue)
        hooked: list[Arg] = []
        for entry in entries:
            if isinstance(entry, HookedEntry):
                hooked += (entry.id, entry.hooks)
        args: list[Arg] = [self.now_ms, remember_s * 1000, len(hooked) // 2, *hooked]
        for entry in entries:
            args += entry
        try:
            reply = cast("list[Any]", await self.backend.run(script, queue, keys, args))
        except OutcomeUnknown as error:
            raise OutcomeUnknown("enqueue", [e.id for e in entries], str(error)) from None
        if reply[0] == b"BAD":
            raise InvalidJob(f"Entry {reply[1].decode()} has a bad {reply[2].decode()}.")
        if len(reply) == 1:
            return []
        return [Refused(int(reply[i]), reply[i + 1].decode(), reply[i + 2].decode()) for i in range(1, len(reply), 3)]

    async def forget(self, queue: str, ids: Sequence[str], *, keep_s: float = 0.0) -> None:
        """These ids, at most 1,000 that an enqueue was to remember, will not be repeated after `keep_s` from now."""
        await self._run("forget", queue, keep_s * 1000, *ids)

    async def recall(self, queue: str) -> list[str]:
        """The ids whose enqueue may be repeated: those remembered and not yet forgotten."""
        script, keys = self._bind("recall", queue)
        found: list[bytes] = []
        while True:
            page = cast("list[bytes]", await self.backend.run(script, queue, keys, (len(found), 1000)))
            found += page
            if len(page) < 1000:
                return [id.decode() for id in found]

    async def exchange(
        self,
        queue: str,
        worker: str,
        nonce: str,
        *,
        lease_ms: float,
        limit: int,
        slice: int = 100,
        tidy: bool = False,
        keep: str = "",
        completed: Sequence[Arg] = (),
        others: Sequence[Arg] = (),
        took: str = "",
        memo: str = "",
    ) -> Exchanged:
        """Hand in outcomes and take claims (lua/exchange.lua).

        Of the calls that share a memo (the worker's name, unless given) one is under way at a time, and their
        nonces rise: `new_nonce`.

        `completed`: flat id, token, result; `others`: flat kind, id, token, delay_ms, detail.
        `took`: '<runs> <µs> <µs> …', how long some of the runs took, these standing for all.
        """
        script, keys = self._bind("exchange", queue, memo=memo or worker)
        args: list[Arg] = [
            self.now_ms,
            worker,
            nonce,
            lease_ms,
            limit,
            slice,
            1 if tidy else 0,
            keep or _KEEP,
            took,
            len(completed) // 3,
            *completed,
            *others,
        ]
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, args))
        _accepted("exchange", reply)
        _, now_us, next_us, token, stale, earlier, flat = reply
        places = iter(range(token, token + len(flat) // 2))
        it = iter(flat)
        claims = [Claim(id, spec, t) for id, spec, t in zip(it, it, places, strict=False)]
        for i in range(0, len(earlier), 2):
            claims[int(earlier[i])].counts = earlier[i + 1]
        return Exchanged(now_us / 1000, None if next_us < 0 else next_us / 1e6, stale, claims)

    async def extend(
        self, queue: str, claims: Sequence[tuple[bytes, int]], lease_ms: float
    ) -> tuple[list[bytes], list[bytes]]:
        """Renew leases. Returns (ids whose claim was lost, ids asked to cancel)."""
        script, keys = self._bind("extend", queue)
        lost: list[bytes] = []
        stop: list[bytes] = []
        for i in range(0, len(claims), BATCH):
            args: list[Arg] = [self.now_ms, lease_ms]
            for claim in claims[i : i + BATCH]:
                args += claim
            reply = cast("list[Any]", await self.backend.run(script, queue, keys, args))
            _accepted("extend", reply)
            lost += reply[1]
            stop += reply[2]
        return lost, stop

    async def cancel(self, queue: str, id: str) -> JobState:
        """End a job: CANCELLED at once, or RUNNING when its worker was told, or the state in which it had ended.

        Raises JobNotFound.
        """
        reply = await self._run("cancel", queue, id)
        _found(reply, id, queue)
        return JobState(reply[1].decode())

    async def run_now(self, queue: str, id: str) -> tuple[bool, JobState]:
        """Make a job that is due later ready. Returns (whether it is ready now, its state). Raises JobNotFound."""
        return self._moved(await self._run("run_now", queue, id), id, queue)

    async def revive(self, queue: str, id: str, due_ms: float | None = None) -> tuple[bool, JobState]:
        """Give a dead or cancelled job another life, now or at a Unix time in ms. Returns (whether it did, its state).

        Raises JobNotFound, UniqueConflict.
        """
        reply = await self._run("revive", queue, id, "" if due_ms is None else f"{due_ms:.3f}")
        if reply[0] == b"CONFLICT":
            raise UniqueConflict(reply[2].decode(), reply[1].decode())
        return self._moved(reply, id, queue)

    async def reprioritize(self, queue: str, id: str, priority: int) -> tuple[bool, JobState]:
        """Change a job's priority. Returns (whether it could, its state). Raises JobNotFound."""
        return self._moved(await self._run("reprioritize", queue, id, str(priority)), id, queue)

    async def delete(self, queue: str, id: str) -> bool:
        """Drop a job and its records; False for a running one. Raises JobNotFound."""
        reply = await self._run("delete", queue, id)
        _found(reply, id, queue)
        return bool(reply[0] == b"OK")

    async def purge(self, queue: str, state: JobState, limit: int = BATCH) -> int:
        """Drop at most `limit` jobs of one state, oldest first. Returns how many."""
        reply = await self._run("purge", queue, state.value, limit)
        return int(reply[1])

    async def pause(self, queue: str, reason: bytes) -> None:
        """Stop handing out a queue's jobs. `reason`: JSON; b'' resumes."""
        await self._run("pause", queue, reason)

    async def wake(self, queue: str) -> None:
        """Wake one waiting worker."""
        script, keys = self._bind("wake", queue)
        await self.backend.run(script, queue, keys, ())

    async def peek(self, queue: str) -> tuple[bool, float | None]:
        """The cheapest look: (whether a job is ready, when the first lease ends: server time in ms)."""
        script, keys = self._bind("peek", queue)
        some, deadline = cast("list[Any]", await self.backend.run(script, queue, keys, ()))
        return bool(some), float(deadline) if deadline else None

    async def tidy(self, queue: str, keep: str = "", slice: int = 500) -> tuple[int, int, int]:
        """Promote, reap and prune a slice each. Returns how many of each."""
        reply = await self._run("tidy", queue, slice, keep or _KEEP)
        return reply[1], reply[2], reply[3]

    async def listen(self, queue: str, ttl_s: float) -> int:
        """Have a queue's moves noted for ttl_s from now. Returns the newest event's number."""
        return int((await self._run("listen", queue, ttl_s * 1000))[1])

    async def report(self, queue: str, reports: Sequence[tuple[bytes, int, Report]]) -> list[bytes]:
        """Hand in what at most 100 running jobs report: (id, token, report). Returns the ids that were not taken."""
        args: list[Arg] = []
        for id, token, (progress, lines) in reports:
            args += (id, token, progress, b"\n".join(lines))
        reply = await self._run("report", queue, *args)
        return list(reply[1])

    async def watch(self, queue: str, id: str, waiter: str) -> JobState:
        """Ask to be told of a job's end on list `done:<waiter>`, unless it has ended. Raises JobNotFound."""
        script, keys = self._bind("watch", queue)
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, (id, waiter)))
        _found(reply, id, queue)
        return JobState(reply[1].decode())

    async def _run(self, name: str, queue: str, *args: Arg) -> list[Any]:
        script, keys = self._bind(name, queue)
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, (self.now_ms, *args)))
        _accepted(name, reply)
        return reply

    def _bind(self, name: str, queue: str, memo: str = "") -> tuple[Script, list[str]]:
        """The script and its keys for a queue; `memo` names the worker whose memo is meant."""
        bound = self._bound.get((name, queue, memo))
        if bound is None:
            script = load(name)
            named = queue_keys(self.namespace, queue)
            if memo:
                named = {**named, "memo": named["memo"] + memo}
            if len(self._bound) > 10_000:
                # Names of workers come over HTTP too.
                self._bound.clear()
            bound = self._bound[name, queue, memo] = (script, list(script.bind_keys(named)))
        return bound

    def _moved(self, reply: list[Any], id: str, queue: str) -> tuple[bool, JobState]:
        _found(reply, id, queue)
        return reply[0] == b"OK", JobState(reply[1].decode())


_KEEP = Keep().pack()
_last_nonce = 0


def new_nonce() -> str:
    """A nonce for an exchange: larger than every one before in this process; Unix time in µs, or one more."""
    global _last_nonce
    _last_nonce = max(_last_nonce + 1, time.time_ns() // 1000)
    return str(_last_nonce)


def _accepted(name: str, reply: list[Any]) -> None:
    if reply[0] == b"BAD":
        raise InvalidJob(f"{name} was given a bad {reply[2].decode()}; nothing was changed.")


def _found(reply: list[Any], id: str, queue: str) -> None:
    if reply[0] == b"GONE":
        raise JobNotFound(id, queue)
