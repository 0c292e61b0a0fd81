"""The job as data: its spec as stored, and the record that a read gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from nexq.ids import decode7
from nexq.payload import loads
from nexq.states import JobState

#: How often a job's worker may die before the job is buried as `worker_lost`, beyond its attempts.
DEFAULT_MAX_LOST = 3


@dataclass(frozen=True, slots=True)
class Spec:
    """What a job was enqueued with. Opaque bytes to the scripts beyond their head (lua/lib/spec.lua)."""

    type: str
    payload: bytes
    priority: int = 5
    max_lost: int = DEFAULT_MAX_LOST
    unique: str = ""
    #: Options of this job that differ from its handler's: timeout_s, max_attempts, …
    options: dict[str, Any] = field(default_factory=dict)
    enqueued_ms: int = 0

    @property
    def tags(self) -> tuple[str, ...]:
        """Words that the job is found by."""
        return tuple(self.options.get("tags", ()))

    def pack(self) -> bytes:
        """The spec without its time, which the server puts in front."""
        return pack_spec(self.type, self.payload, self.priority, self.max_lost, self.unique, self.options)

    @classmethod
    def unpack(cls, raw: bytes) -> Spec:
        """The spec of stored bytes."""
        mark = raw[8]
        unique, options = b"", b""
        if mark >= 97:
            name, unique, options, payload = raw[9:].split(b"\n", 3)
            max_lost = mark - 97
        else:
            name, payload = raw[9:].split(b"\n", 1)
            max_lost = mark - 48
        return cls(
            type=name.decode(),
            payload=payload,
            priority=raw[7] - 48,
            max_lost=max_lost,
            unique=unique.decode(),
            options=orjson.loads(options) if options else {},
            enqueued_ms=decode7(raw[:7].decode()),
        )


def pack_spec(
    type: str, payload: bytes, priority: int, max_lost: int, unique: str, options: Mapping[str, Any]
) -> bytes:
    """What `Spec.pack` gives, where no Spec is needed for anything else."""
    if unique or options:
        packed = orjson.dumps(options) if options else b""
        mark = "abcdefghij"[max_lost]
        return b"%d%b%b\n%b\n%b\n%b" % (priority, mark.encode(), type.encode(), unique.encode(), packed, payload)
    return b"%d%d%b\n%b" % (priority, max_lost, type.encode(), payload)


@dataclass(frozen=True, slots=True)
class Run:
    """The job's newest claim, and what it counts."""

    token: int = 0
    attempt: int = 0
    delivery: int = 0
    lost: int = 0
    started_ms: int = 0
    worker: str = ""

    @classmethod
    def unpack(cls, raw: bytes | None) -> Run:
        """The run of a stored record (lua/lib/run.lua); zeros for a job never claimed."""
        if not raw:
            return cls()
        token, attempt, delivery, lost, started, worker = raw.decode().split(" ", 5)
        return cls(int(token), int(attempt), int(delivery), int(lost), int(started), worker)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of a job's history: a run that did not complete."""

    outcome: str
    attempt: int
    token: int
    started_ms: int
    ended_ms: int
    worker: str
    error: dict[str, Any]

    @classmethod
    def unpack(cls, line: bytes) -> Attempt:
        """The attempt of a stored line (lua/lib/history.lua)."""
        outcome, attempt, token, started, ended, worker, detail = line.split(b" ", 6)
        return cls(
            outcome.decode(),
            int(attempt),
            int(token),
            int(started),
            int(ended),
            worker.decode(),
            orjson.loads(detail) if detail else {},
        )


@dataclass(frozen=True, slots=True)
class Reported:
    """What a job reported of itself: how far it is, and the newest lines that it logged, of `total`."""

    total: int = 0
    progress: dict[str, Any] | None = None
    lines: tuple[dict[str, Any], ...] = ()

    @classmethod
    def unpack(cls, raw: bytes) -> Reported:
        """The report of a stored journal (lua/lib/journal.lua)."""
        if not raw:
            return cls()
        head, *lines = raw.split(b"\n")
        total, _, progress = head.partition(b" ")
        told = None
        if progress:
            at_ms, fraction, text = progress.decode().split(" ", 2)
            told = {"at_ms": int(at_ms), "fraction": float(fraction), "text": text}
        first = int(total) - len(lines) + 1
        return cls(int(total), told, tuple({"n": first + i, **orjson.loads(line)} for i, line in enumerate(lines)))


@dataclass(frozen=True, slots=True)
class JobRecord:
    """All that is known of a job at one moment."""

    id: str
    queue: str
    state: JobState
    #: The score in its state's set: due time, lease deadline, or time of the move; ms.
    score_ms: float
    spec: Spec
    run: Run
    attempts: tuple[Attempt, ...] = ()
    #: JSON, None when there is none (yet).
    result: bytes | None = None
    cancel_requested: bool = False

    @property
    def payload(self) -> Any:
        """The payload, decoded."""
        return loads(self.spec.payload)

    @property
    def last_error(self) -> str:
        """The newest attempt's error as one line, '' for none."""
        if not self.attempts:
            return ""
        error = self.attempts[-1].error
        return ": ".join(str(p) for p in (error.get("type"), error.get("message")) if p)

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON-able data: what `--json` and the API show."""
        out: dict[str, Any] = {
            "id": self.id,
            "queue": self.queue,
            "type": self.spec.type,
            "state": self.state.value,
            "priority": self.spec.priority,
            "payload": self.payload,
            "attempt": self.run.attempt,
            "delivery": self.run.delivery,
            "lost": self.run.lost,
            "worker": self.run.worker or None,
            "enqueued_ms": self.spec.enqueued_ms,
            "started_ms": self.run.started_ms or None,
            "unique": self.spec.unique or None,
            "options": {name: value for name, value in self.spec.options.items() if name != "tags"},
            "tags": list(self.spec.tags),
            "error": self.last_error or None,
            "result": None if self.result is None else loads(self.result),
            "cancel_requested": self.cancel_requested,
            "attempts": [
                {
                    "outcome": a.outcome,
                    "attempt": a.attempt,
                    "started_ms": a.started_ms,
                    "ended_ms": a.ended_ms,
                    "worker": a.worker,
                    "error": a.error,
                }
                for a in self.attempts
            ],
        }
        if self.state in (JobState.SCHEDULED, JobState.RETRYING):
            out["due_ms"] = self.score_ms
        elif self.state is JobState.RUNNING:
            out["lease_until_ms"] = self.score_ms
        elif self.state.ended:
            out["ended_ms"] = self.score_ms
        return out
