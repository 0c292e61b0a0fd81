"""The table of states and operations that the machine has to fill, and what its histories are made of."""

from __future__ import annotations

from tests.contract.model import ENDED, OUTCOMES
from tests.contract.model_records import Rule

IDS = [f"j{i}" for i in range(6)]
WORKERS = ["w1", "w2"]
WAITERS = ["me", "you"]
LISTS = [*(f"done:{w}" for w in WAITERS), *(f"control:{w}" for w in WORKERS)]
RULES = [
    Rule(10**9, 1000, 10**9, 1000, 60_000),
    Rule(500, 3, 2000, 2, 1000),
    Rule(0, 0, 0, 0, 60_000),
    Rule(10**9, 1, 10**9, 1, 0),
]

#: The table: every operation on a job must have met every state.
STATES = ["absent", "tomb", "scheduled", "ready", "running", "retrying", *ENDED]
VERBS = ["cancel", "run_now", "revive", "reprioritize", "delete", "watch"]
SETTLE = [f"settle-{kind}" for kind in ("complete", *OUTCOMES)]
OPERATIONS = ["enqueue", "extend", *SETTLE, *VERBS]
STALE = [*SETTLE, "extend"]
EVENTS = [
    *(("lost", s) for s in ("ready", "dead", "cancelled")),
    *(("promoted", s) for s in ("scheduled", "retrying")),
    *(("pruned", s) for s in (*ENDED, "tomb")),
]
