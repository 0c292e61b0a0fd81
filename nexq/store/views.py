"""The views: what can be seen of the jobs. Reads are scripts too, bounded and read-only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from nexq.backends.base import Backend
from nexq.errors import InvalidJob, JobNotFound
from nexq.job import Attempt, JobRecord, Reported, Run, Spec
from nexq.keys import queue_keys, system_keys
from nexq.scripts import load
from nexq.states import JobState
from nexq.store.search import SLICE, Found, Grave, Pair, Wanted, read_after
from nexq.store.series import Row, Step


@dataclass(frozen=True, slots=True)
class QueueView:
    """A queue at one moment."""

    name: str
    now_ms: float
    counts: dict[JobState, int]
    #: Age of the oldest ready job, seconds; None when none is ready.
    lag_s: float | None
    #: Why it is paused and since when; None when it is not.
    paused: dict[str, Any] | None
    #: Moves since the queue was born: enqueued, completed, dead, …
    totals: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """The view as JSON-able data."""
        return {
            "name": self.name,
            "counts": {s.value: n for s, n in self.counts.items()},
            "lag_s": self.lag_s,
            "paused": self.paused,
            "totals": self.totals,
        }


@dataclass(frozen=True, slots=True)
class WorkerView:
    """A worker as it told of itself."""

    id: str
    alive: bool
    alive_until_ms: float
    info: dict[str, Any]

    @property
    def state(self) -> str:
        """running, paused (claims no more, by order), draining (about to leave), lost (no sign of life)."""
        return str(self.info.get("state", "running")) if self.alive else "lost"

    @property
    def seen_ms(self) -> float | None:
        """When it last said that it lives; None where it did not tell how long that counts."""
        ttl_ms = self.info.get("ttl_ms")
        return self.alive_until_ms - ttl_ms if isinstance(ttl_ms, (int, float)) else None

    def as_dict(self) -> dict[str, Any]:
        """The view as JSON-able data."""
        return {
            "id": self.id,
            "alive": self.alive,
            "alive_until_ms": self.alive_until_ms,
            **self.info,
            "state": self.state,
            "seen_ms": self.seen_ms,
        }


@dataclass(frozen=True, slots=True)
class Event:
    """Jobs entered a state together (or were deleted; or the queue was paused or resumed, without ids)."""

    number: int
    what: str
    at_ms: float
    ids: tuple[str, ...]

    @classmethod
    def unpack(cls, number: int, line: bytes) -> Event:
        """The event of a stored line (lua/lib/queue.lua)."""
        what, at_ms, *ids = line.decode().split(" ")
        return cls(number, what, float(at_ms), tuple(id for id in ids if id))


@dataclass(frozen=True, slots=True)
class Rerouted:
    """A job that was taken back from a dead worker, and what became of it: ready, dead or cancelled."""

    at_ms: float
    id: str
    queue: str
    became: str
    worker: str

    @classmethod
    def unpack(cls, queue: str, line: bytes) -> Rerouted:
        """What a stored line tells (lua/lib/reap.lua)."""
        at_ms, id, became, worker = line.decode().split(" ", 3)
        return cls(float(at_ms), id, queue, became, worker)


@dataclass(frozen=True, slots=True)
class Directory:
    """What a namespace knows: queues, workers (newest sign of life first), handlers with what they published."""

    now_ms: float
    queues: list[str] = field(default_factory=list)
    workers: list[WorkerView] = field(default_factory=list)
    handlers: dict[str, dict[str, Any]] = field(default_factory=dict)


class Views:
    """The reads of one namespace on one backend."""

    def __init__(self, backend: Backend, namespace: str = "nexq", *, now_ms: str = "") -> None:
        self.backend = backend
        self.namespace = namespace
        self.now_ms = now_ms

    async def get(self, queue: str, id: str) -> JobRecord:
        """One job. Raises JobNotFound."""
        record = (await self.get_many(queue, [id]))[0]
        if record is None:
            raise JobNotFound(id, queue)
        return record

    async def get_many(self, queue: str, ids: Sequence[str]) -> list[JobRecord | None]:
        """Jobs by id, at most 1,000, at the same places; None for one that is not there."""
        if not ids:
            return []
        script = load("get")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, list(ids)))
        return [None if row is None else _record(id, queue, row) for id, row in zip(ids, reply, strict=True)]

    async def page(
        self,
        queue: str,
        state: JobState,
        *,
        limit: int = 50,
        newest: bool = True,
        after: Pair = ("", ""),
        priority: int | None = None,
    ) -> list[Pair]:
        """(id, score) pairs of one state, from the pair `after` on. Ready jobs: of one priority."""
        script = load("page")
        named = queue_keys(self.namespace, queue)
        key = named["ready"] + str(priority) if state is JobState.READY else named[state.value]
        args = (limit, 1 if newest else 0, *after)
        reply = cast("list[bytes]", await self.backend.run(script, queue, (key,), args))
        it = iter(reply)
        return [(id.decode(), score.decode()) for id, score in zip(it, it, strict=True)]

    async def search(
        self,
        queue: str,
        state: JobState,
        wanted: Wanted,
        *,
        most: int,
        newest: bool = True,
        after: Pair = ("", ""),
        priority: int | None = None,
    ) -> Found:
        """The jobs of one state that fit, `most` at most, of the next 1,000 from the pair `after` on."""
        script = load("search")
        named = queue_keys(self.namespace, queue)
        set = named["ready"] + str(priority) if state is JobState.READY else named[state.value]
        keys = script.bind_keys({**named, "set": set})
        args = (SLICE, most, 1 if newest else 0, *after, *wanted.pack())
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, args))
        if reply[0] == b"BAD":
            raise InvalidJob(f"search was given a bad {reply[2].decode()}.")
        return Found.unpack(reply)

    async def graves(self, queue: str, after: Pair = ("", "")) -> tuple[int, list[Grave], tuple[str, str] | None]:
        """The next 1,000 dead jobs from the pair `after` on, newest first, grouped by what they died of.

        Returns (how many were looked at, groups, after which pair to go on; None: that was all).
        """
        script = load("graves")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, (SLICE, *after)))
        return reply[0], [Grave.unpack(row) for row in reply[3:]], read_after(reply)

    async def walk(self, queue: str, state: JobState, *, newest: bool = True) -> AsyncIterator[JobRecord]:
        """The jobs of one state, page by page. Ready jobs: highest priority first, each oldest first."""
        ready = state is JobState.READY
        for priority in range(9, -1, -1) if ready else (None,):
            after = ("", "")
            while True:
                pairs = await self.page(
                    queue, state, limit=100, newest=newest and not ready, after=after, priority=priority
                )
                for record in await self.get_many(queue, [id for id, _ in pairs]):
                    if record is not None:
                        yield record
                if len(pairs) < 100:
                    break
                after = pairs[-1]

    async def queue(self, queue: str) -> QueueView:
        """A queue's counts and record."""
        script = load("counts")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, (self.now_ms,)))
        now_us, flat, fields, oldest = reply
        record = {fields[i].decode(): fields[i + 1] for i in range(0, len(fields), 2)}
        paused = orjson.loads(record["paused"]) if "paused" in record else None
        if paused is not None:
            paused["since_ms"] = int(record.get("paused_ms", 0))
        return QueueView(
            name=queue,
            now_ms=now_us / 1000,
            counts={JobState(flat[i].decode()): flat[i + 1] for i in range(0, len(flat), 2)},
            lag_s=max(0.0, (now_us / 1000 - float(oldest)) / 1000) if oldest else None,
            paused=paused,
            totals={k.removesuffix("_total"): int(v) for k, v in record.items() if k.endswith("_total")},
        )

    async def journal(self, queue: str, id: str) -> Reported:
        """What a job reported of itself."""
        script = load("journal")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, (id,)))
        return Reported.unpack(reply[1])

    async def rerouted(self, queue: str, worker: str = "", limit: int = 100) -> list[Rerouted]:
        """Jobs that were taken back from dead workers, or from one, the newest first."""
        script = load("rerouted")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        reply = cast("list[bytes]", await self.backend.run(script, queue, keys, (limit, worker)))
        return [Rerouted.unpack(queue, line) for line in reversed(reply)]

    async def series(self, queue: str, step: Step, limit: int) -> list[Row]:
        """What happened in a queue, in rows of `step` minutes, oldest first, the last one still filling.

        Rows in which nothing happened are left out.
        """
        script = load("series")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, (self.now_ms, step, limit)))
        return [Row.unpack(line) for line in (*reply[1], reply[2]) if line]

    async def directory(self) -> Directory:
        """The queues, workers and handlers that are known."""
        script = load("directory")
        keys = script.bind_keys(system_keys(self.namespace))
        reply = cast("list[Any]", await self.backend.run(script, "_", keys, (self.now_ms,)))
        now_us, queues, workers, handlers = reply
        now_ms = now_us / 1000
        return Directory(
            now_ms=now_ms,
            queues=sorted(q.decode() for q in queues),
            workers=[
                WorkerView(
                    workers[i].decode(),
                    float(workers[i + 1]) > now_ms,
                    float(workers[i + 1]),
                    orjson.loads(workers[i + 2]),
                )
                for i in range(0, len(workers), 3)
            ],
            handlers={handlers[i].decode(): orjson.loads(handlers[i + 1]) for i in range(0, len(handlers), 2)},
        )

    async def follow(self, queue: str, after: int, limit: int = 1000) -> tuple[int, list[Event]]:
        """The events noted after number `after`, where somebody listens (Moves.listen).

        Returns (number of the first one, events); a first number above after + 1: those between are gone.
        """
        script = load("follow")
        keys = script.bind_keys(queue_keys(self.namespace, queue))
        reply = cast("list[Any]", await self.backend.run(script, queue, keys, (after, limit)))
        first = int(reply[0])
        return first, [Event.unpack(first + i, line) for i, line in enumerate(reply[1:])]

    async def find(self, id: str, queues: Sequence[str] | None = None) -> JobRecord:
        """A job whose queue is not known: asks each queue. Raises JobNotFound."""
        for queue in queues if queues is not None else (await self.directory()).queues:
            record = (await self.get_many(queue, [id]))[0]
            if record is not None:
                return record
        raise JobNotFound(id, "any")


def _record(id: str, queue: str, row: list[Any]) -> JobRecord:
    state, score, spec, run, history, result, mark = row
    return JobRecord(
        id=id,
        queue=queue,
        state=JobState(state.decode()),
        score_ms=float(score),
        spec=Spec.unpack(spec),
        run=Run.unpack(run),
        attempts=tuple(Attempt.unpack(line) for line in history.split(b"\n")) if history else (),
        result=result or None,
        cancel_requested=bool(mark),
    )
