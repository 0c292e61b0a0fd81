"""The rest of the model: an operator's verbs, and tidying up."""

from __future__ import annotations

import math

from nexq.job import Spec
from tests.contract.model import ENDED, GONE, Model
from tests.contract.model_records import Rule


class QueueModel(Model):
    """One queue with all its moves."""

    def _prune(self, rule: Rule, limit: int, now: float) -> int:
        pruned = 0
        for state, ms, count in [
            ("completed", rule.ms, rule.count),
            ("cancelled", rule.ms, rule.count),
            ("dead", rule.dead_ms, rule.dead_count),
        ]:
            members = self.sets[state]
            over = len(members) - count
            gone = self._first(members, min(over, limit)) if over > 0 else self._first(members, limit, now - ms)
            if gone and members[gone[-1]] > now - rule.tomb_ms:
                self.tombs |= dict.fromkeys(gone, now)
            for id in gone:
                del members[id]
                self._forget(id)
                self.events.add(("pruned", state))
            self._count("deleted", len(gone))
            pruned += len(gone)
        for id in self._first(self.tombs, limit, now - rule.tomb_ms):
            del self.tombs[id]
            self.events.add(("pruned", "tomb"))
        return pruned

    def tidy(self, rule: Rule, slice: int) -> tuple[int, int, int]:
        now = self._open()
        pruned = self._prune(rule, slice, now)
        reaped = self._reap(slice, now)
        promoted = self._promote("scheduled", slice, now) + self._promote("retrying", slice, now)
        self._close(now)
        return promoted, reaped, pruned

    def extend(self, claims: list[tuple[str, int]], lease_ms: float) -> tuple[list[str], list[str]]:
        lost, stop = [], []
        now = self._open()
        for id, token in claims:
            if self._holds(id, token) and id in self.sets["running"]:
                self.sets["running"][id] = math.ceil(now + lease_ms)
                if id in self.cancels:
                    stop.append(id)
            else:
                lost.append(id)
        if claims:
            self._close(now)
        return lost, stop

    def cancel(self, id: str) -> object:
        state = self.state_of(id)
        if id not in self.jobs:
            return GONE
        if state in ENDED:
            return state
        now = self._open()
        self._close(now)
        if state == "running":
            run = self.runs[id]
            self.cancels[id] = now
            self.lists.setdefault(f"control:{run.worker}", []).append(f"cancel {id} {run.token}")
            return "running"
        self._leave(id)
        self._end(id, "cancelled", now)
        return "cancelled"

    def run_now(self, id: str) -> object:
        state = self.state_of(id)
        if id not in self.jobs:
            return GONE
        if state == "ready":
            return True, "ready"
        if state not in ("scheduled", "retrying"):
            return False, state
        now = self._open()
        self._leave(id)
        self._ready(id, now)
        self._close(now)
        return True, "ready"

    def revive(self, id: str) -> object:
        state = self.state_of(id)
        if id not in self.jobs:
            return GONE
        if state not in ("dead", "cancelled"):
            return False, state
        key = self._spec(id).unique
        holder = self.unique.get(key, id) if key else id
        if holder != id:
            return "CONFLICT", holder
        now = self._open()
        self._leave(id)
        if id in self.runs:
            self.runs[id].attempt = self.runs[id].lost = 0
        if key:
            self.unique[key] = id
        self._ready(id, now)
        self._count("revived")
        self._close(now)
        return True, "ready"

    def reprioritize(self, id: str, priority: int) -> object:
        state = self.state_of(id)
        if id not in self.jobs:
            return GONE
        if state in ENDED:
            return False, state
        if Spec.unpack(self.jobs[id]).priority == priority:
            return True, state
        now = self._open()
        raw = self.jobs[id]
        self.jobs[id] = raw[:7] + b"%d" % priority + raw[8:]
        if state == "ready":
            self._leave(id)
            self._ready(id, now)
        self._close(now)
        return True, state

    def delete(self, id: str) -> object:
        if id not in self.jobs:
            return GONE
        if self.state_of(id) == "running":
            return False
        now = self._open()
        self._drop([id], now)
        self._close(now)
        return True

    def purge(self, state: str, limit: int) -> int:
        now = self._open()
        names = sorted(n for n in self.sets if n.partition(":")[0] == state)
        gone: list[str] = []
        for name in names:
            gone += self._first(self.sets[name], limit - len(gone))
        self._drop(gone, now)
        self._close(now)
        return len(gone)

    def _drop(self, gone: list[str], now: float) -> None:
        for id in gone:
            self._leave(id)
            self._free(id)
            self._tell(id)
            self._forget(id)
            self.tombs[id] = now
        self._count("deleted", len(gone))

    def pause(self, reason: bytes) -> None:
        now = self._open()
        self.paused = (reason, round(now)) if reason else None
        self._close(now)

    def watch(self, id: str, waiter: str) -> object:
        if id not in self.jobs:
            return GONE
        state = self.state_of(id)
        if state not in ENDED and waiter not in self.waiters.setdefault(id, []):
            self.waiters[id].append(waiter)
        return state
