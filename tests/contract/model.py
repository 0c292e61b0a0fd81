"""What a queue is, in plain Python: the other side of the comparison with the scripts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from nexq.ids import encode7
from nexq.job import Spec
from tests.contract.bench import STATES, State
from tests.contract.model_records import ModelRun, Rule

ENDED = ("completed", "dead", "cancelled")
READY = tuple(f"ready:{p}" for p in range(10))
OUTCOMES = ("retry", "bury", "snooze", "cancel", "release")
GONE = "GONE"


@dataclass
class Model:
    """One queue. Each method is a move: it changes the model and returns what the store would return."""

    time: float = 0.0
    clock: float = 0.0
    ready_ms: float = 0.0
    token: int = 0
    paused: tuple[bytes, float] | None = None
    used: bool = False
    totals: dict[str, int] = field(default_factory=dict)
    sets: dict[str, dict[str, float]] = field(default_factory=lambda: {s: {} for s in (*STATES, *READY)})
    tombs: dict[str, float] = field(default_factory=dict)
    jobs: dict[str, bytes] = field(default_factory=dict)
    runs: dict[str, ModelRun] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    history: dict[str, list[bytes]] = field(default_factory=dict)
    unique: dict[str, str] = field(default_factory=dict)
    cancels: dict[str, float] = field(default_factory=dict)
    waiters: dict[str, list[str]] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    memo: dict[str, tuple[str, int, list[str], list[str]]] = field(default_factory=dict)
    #: (how, from, to) of every move made by time: promoted, lost, pruned.
    events: set[tuple[str, str]] = field(default_factory=set)

    # What is seen

    def state_of(self, id: str) -> str:
        """The state of a job; 'absent' or 'tomb' where there is none."""
        for name, members in self.sets.items():
            if id in members:
                return name.partition(":")[0]
        return "tomb" if id in self.tombs else "absent"

    def dump(self) -> State:
        """The whole state as the dump of a store shows it, without its wake token."""
        out: State = {name: dict(members) for name, members in self.sets.items()}
        out |= {"jobs": dict(self.jobs), "results": dict(self.results), "tombs": dict(self.tombs)}
        out["runs"] = {id: run.pack() for id, run in self.runs.items()}
        out["history"] = {id: b"\n".join(lines) for id, lines in self.history.items()}
        out["unique"] = {key: id.encode() for key, id in self.unique.items()}
        out["cancels"] = {id: f"{ms:.0f}".encode() for id, ms in self.cancels.items()}
        out["waiters"] = {id: " ".join(names).encode() for id, names in self.waiters.items()}
        if self.used:
            out["queue"] = {"now_ms": self.clock, "ready_ms": self.ready_ms, "token": self.token}
            out["queue"] |= {f"{name}_total": n for name, n in self.totals.items()}
            if self.paused:
                out["queue"] |= {"paused": self.paused[0], "paused_ms": self.paused[1]}
        return {name: members for name, members in out.items() if members}

    # Parts of the moves

    def _open(self) -> float:
        return max(self.time, self.clock)

    def _close(self, now: float) -> None:
        self.clock = now
        self.used = True

    def _count(self, name: str, n: int = 1) -> None:
        if n:
            self.totals[name] = self.totals.get(name, 0) + n

    def _spec(self, id: str) -> Spec:
        return Spec.unpack(self.jobs[id])

    def _leave(self, id: str) -> None:
        for members in self.sets.values():
            members.pop(id, None)

    def _ready(self, id: str, now: float) -> None:
        self.ready_ms = max(self.ready_ms + 0.001, now)
        self.sets[f"ready:{self._spec(id).priority}"][id] = self.ready_ms

    def _tell(self, id: str) -> None:
        for waiter in self.waiters.pop(id, ()):
            self.lists.setdefault(f"done:{waiter}", []).append(id)

    def _free(self, id: str) -> None:
        key = self._spec(id).unique
        if key and self.unique.get(key) == id:
            del self.unique[key]

    def _end(self, id: str, state: str, now: float) -> None:
        self.sets[state][id] = now
        self._free(id)
        self._tell(id)
        self._count(state)

    def _forget(self, id: str) -> None:
        for records in (self.jobs, self.runs, self.results, self.history):
            records.pop(id, None)  # type: ignore[attr-defined]

    def _note(self, id: str, outcome: str, now: float, detail: str) -> None:
        run = self.runs[id]
        line = f"{outcome} {run.attempt} {run.token} {run.started} {now:.0f} {run.worker} {detail}"
        self.history[id] = [*self.history.get(id, []), line.encode()][-20:]

    @staticmethod
    def _first(members: dict[str, float], limit: int, until: float = math.inf) -> list[str]:
        order = sorted(members, key=lambda id: (members[id], id.encode()))
        return [id for id in order if members[id] <= until][:limit]

    def _holds(self, id: str, token: int) -> bool:
        return id in self.runs and self.runs[id].token == token

    # The moves

    def enqueue(self, entries: list[tuple[str, bytes, str, str]]) -> list[tuple[int, str, str]]:
        now = self._open()
        refused, fresh = [], []
        for place, (id, packed, delay, unique) in enumerate(entries):
            holder = self.unique.get(unique, "") if unique else ""
            if id in self.jobs or id in self.tombs:
                refused.append((place, "DUPLICATE", id))
            elif holder in self.jobs:
                refused.append((place, "CONFLICT", holder))
            else:
                self.jobs[id] = encode7(int(now)).encode() + packed
                if unique:
                    self.unique[unique] = id
                due = float(delay[1:]) if delay.startswith("@") else now + float(delay or 0)
                if due > now:
                    self.sets["scheduled"][id] = due
                else:
                    fresh.append(id)
                self._count("enqueued")
                self._close(now)
        for id in fresh:
            self._ready(id, now)
        return refused

    def exchange(
        self,
        worker: str,
        nonce: str,
        lease_ms: float,
        limit: int,
        slice: int,
        rule: Rule,
        completed: list[tuple[str, int, bytes]],
        others: list[tuple[str, str, int, float, str]],
    ) -> dict[str, Any]:
        now = self._open()
        n_outcomes = len(completed) + len(others)
        if worker in self.memo and self.memo[worker][0] == nonce and (n_outcomes or self.memo[worker][3]):
            return self._again(worker, now)
        late = worker in self.memo and int(nonce) < int(self.memo[worker][0])
        if late:
            limit = 0
        stale = self._complete(completed, now)
        for kind, id, token, delay_ms, detail in others:
            if id in self.sets["running"] and self._holds(id, token):
                self._settle(kind, id, delay_ms, detail, now)
            else:
                stale.append(id)
        if n_outcomes:
            self._prune(rule, min(1000, slice + n_outcomes), now)
        self._reap(slice, now)
        self._promote("scheduled", slice, now)
        self._promote("retrying", slice, now)
        first = self.token + 1
        claims = [] if self.paused else self._claim(worker, lease_ms, limit, now)
        if not late:
            self.memo[worker] = (nonce, first, stale, [id for id, *_ in claims])
        self._close(now)
        return self._answer(now, stale, claims)

    def _answer(self, now: float, stale: list[str], claims: list[tuple[Any, ...]]) -> dict[str, Any]:
        due = [score for name in ("scheduled", "retrying", "running") for score in self.sets[name].values()]
        next_us = max(0, math.ceil((min(due) - now) * 1000)) if due else -1
        return {
            "now_ms": math.floor(now * 1000) / 1000,
            "next_s": None if next_us < 0 else next_us / 1e6,
            "stale": stale,
            "claims": claims,
        }

    def _again(self, worker: str, now: float) -> dict[str, Any]:
        _, token, stale, ids = self.memo[worker]
        claims = []
        for id in ids:
            held = self._holds(id, token) and id in self.sets["running"]
            run = self.runs.get(id)
            counts = run.counts if run and run.delivery > 1 else ""
            claims.append((id, self.jobs.get(id, b"") if held else b"", token, counts))
            token += 1
        return self._answer(now, stale, claims)

    def _complete(self, completed: list[tuple[str, int, bytes]], now: float) -> list[str]:
        stale: list[str] = []
        for id, token, result in completed:
            if self._holds(id, token) and id in self.sets["running"]:
                del self.sets["running"][id]
                self.cancels.pop(id, None)
                if result:
                    self.results[id] = result
                self._end(id, "completed", now)
            elif not (self._holds(id, token) and id in self.sets["completed"]):
                stale.append(id)
        return stale

    def _settle(self, kind: str, id: str, delay_ms: float, detail: str, now: float) -> None:
        if self.cancels.pop(id, None) is not None and kind != "bury":
            kind = "cancel"
        self._note(id, kind, now, detail)
        del self.sets["running"][id]
        if kind in ("snooze", "release"):
            self.runs[id].attempt = max(0, self.runs[id].attempt - 1)
        if kind == "retry":
            self._count("retried")
            self.sets["retrying"][id] = now + delay_ms
        elif kind in ("bury", "cancel"):
            self._end(id, "dead" if kind == "bury" else "cancelled", now)
        elif delay_ms > 0:
            self.sets["scheduled"][id] = now + delay_ms
        else:
            self._ready(id, now)

    def _claim(self, worker: str, lease_ms: float, limit: int, now: float) -> list[tuple[str, bytes, int, str]]:
        claims = []
        for name in reversed(READY):
            for id in self._first(self.sets[name], limit - len(claims)):
                del self.sets[name][id]
                self.token += 1
                old = self.runs.get(id)
                run = ModelRun(self.token, 1, 1, 0, math.floor(now), worker)
                if old:
                    run.attempt, run.delivery, run.lost = old.attempt + 1, old.delivery + 1, old.lost
                self.runs[id] = run
                self.sets["running"][id] = math.ceil(now + lease_ms)
                claims.append((id, self.jobs[id], self.token, run.counts if old else ""))
        return claims

    def _reap(self, limit: int, now: float) -> int:
        expired = self._first(self.sets["running"], limit, now)
        ends: list[tuple[str, str]] = []
        for id in expired:
            del self.sets["running"][id]
            run = self.runs[id]
            run.lost += 1
            self._note(id, "lost", now, '{"type":"WorkerLost","message":"the lease ran out"}')
            run.attempt = max(0, run.attempt - 1)
            if self.cancels.pop(id, None) is not None:
                ends.append((id, "cancelled"))
            elif run.lost > self._spec(id).max_lost:
                ends.append((id, "dead"))
            else:
                self._ready(id, now)
                self.events.add(("lost", "ready"))
        for id, state in sorted(ends, key=lambda end: end[1] == "cancelled"):
            self._end(id, state, now)
            self.events.add(("lost", state))
        self._count("lost", len(expired))
        return len(expired)

    def _promote(self, name: str, limit: int, now: float) -> int:
        due = self._first(self.sets[name], limit, now)
        for id in due:
            del self.sets[name][id]
            self._ready(id, now)
            self.events.add(("promoted", name))
        return len(due)
