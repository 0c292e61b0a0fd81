"""What every process did, written down as it happened, and a checker of it against what the store ended up with.

Each process appends JSON lines to a file of its own, one write per line, so that a SIGKILL loses no line:

    log = HistoryLog(folder, "worker-3")
    log.write("claim", job, token=7)
    log.write("settle", job, "call", token=7, kind="complete")
    log.write("settle", job, "ok", token=7, kind="complete")

| op | phases | fields |
|---|---|---|
| enqueue | call, then ok, fail (not taken) or unknown | `run_at` ms; `key`: the submission's name if not the id |
| claim | ok | `token` |
| run | call (it starts) | `token`; `at_ms`: when, by the server's clock or one that agrees with it |
| settle | call, then ok, fail (refused as stale) or unknown | `token`; `kind`: complete, retry, bury, ... |

Rules: H1 every acked enqueue ends in exactly one terminal state. H2 a submission yields at most one job, whatever was
heard of it. H3 every job has an enqueue that did not fail. H4 a token is claimed once. H5 an accepted settle carries
the newest token, and a completed job's token is the one whose worker was told that its completion was accepted.
H7 every run has a claim of its own, and there are no more runs than deliveries. H8 no run before its time.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nexq.states import TERMINAL, JobState
from nexq.store import Store


class HistoryLog:
    """The log of one process. Lines are on their way to the disk when write() returns."""

    def __init__(self, folder: Path, proc: str) -> None:
        self.proc = proc
        self._file = os.open(folder / f"{proc}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, op: str, job: str, phase: str = "ok", **more: Any) -> None:
        """Note an event: one write of one line."""
        line = {"t": time.monotonic(), "proc": self.proc, "op": op, "job": job, "phase": phase, **more}
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_history(folder: Path) -> list[dict[str, Any]]:
    """The events of all processes, by time. A torn last line (power cut) is left out; any other raises ValueError."""
    events = []
    for path in sorted(folder.glob("*.jsonl")):
        raw = path.read_bytes()
        whole, _, _ = raw.rpartition(b"\n")
        events += [json.loads(line) for line in whole.splitlines()]
    return sorted(events, key=lambda e: e["t"])


@dataclass(frozen=True, slots=True)
class Final:
    """A job as the store has it in the end."""

    job: str
    state: str
    token: int = 0
    delivery: int = 0


async def read_finals(store: Store, queues: Iterable[str]) -> list[Final]:
    """Every job of some queues."""
    return [
        Final(record.id, record.state.value, record.run.token, record.run.delivery)
        for queue in queues
        for state in JobState
        async for record in store.views.walk(queue, state)
    ]


@dataclass(slots=True)
class Verdict:
    """What came out, in Jepsen's words, and each breach of a rule."""

    attempted: int = 0
    acked: int = 0
    #: Acked and not there.
    lost: int = 0
    #: There without an enqueue.
    unexpected: int = 0
    #: Jobs or submissions that are there more than once.
    duplicated: int = 0
    #: Not acked, yet there, once.
    recovered: int = 0
    #: No answer, or one that said so.
    unknown: int = 0
    breaches: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def rules(self) -> set[str]:
        """The rules that were broken."""
        return {rule for rule, _, _ in self.breaches}

    def __str__(self) -> str:
        names = ("attempted", "acked", "lost", "unexpected", "duplicated", "recovered", "unknown")
        head = ", ".join(f"{name} {getattr(self, name)}" for name in names)
        shown = [f"{rule} {job}: {what}" for rule, job, what in self.breaches[:20]]
        return "\n".join([head, f"{len(self.breaches)} breaches", *shown])


def check_history(events: Iterable[dict[str, Any]], finals: Iterable[Final], *, skew_ms: float = 0.0) -> Verdict:
    """Compare a history with what the store has in the end. O(n)."""
    history = _sort(events)
    ends: dict[str, list[Final]] = defaultdict(list)
    for final in finals:
        ends[final.job].append(final)
    verdict = Verdict()
    verdict.breaches += _check_enqueues(history, ends, verdict)
    verdict.breaches += _check_tokens(history)
    for job in history.jobs | set(ends):
        verdict.breaches += _check_settles(job, history, ends.get(job, []))
        verdict.breaches += _check_runs(job, history, ends.get(job, []), skew_ms)
    return verdict


@dataclass(slots=True)
class _History:
    """The events by what they are about."""

    #: job -> the best that was heard of its enqueue: ok, fail, unknown, call
    enqueued: dict[str, str] = field(default_factory=dict)
    keys: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    run_at: dict[str, float] = field(default_factory=dict)
    claims: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    settles: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    jobs: set[str] = field(default_factory=set)


_RANK = {"call": 0, "unknown": 1, "fail": 2, "ok": 3}


def _sort(events: Iterable[dict[str, Any]]) -> _History:
    history = _History()
    for event in events:
        job, op = event["job"], event["op"]
        history.jobs.add(job)
        if op == "enqueue":
            known = history.enqueued.get(job, "call")
            history.enqueued[job] = max(known, event["phase"], key=_RANK.__getitem__)
            history.keys[event.get("key", job)].add(job)
            if "run_at" in event:
                history.run_at[job] = event["run_at"]
        elif op in ("claim", "settle", "run"):
            {"claim": history.claims, "settle": history.settles, "run": history.runs}[op][job].append(event)
    return history


_Breaches = Iterator[tuple[str, str, str]]


def _check_enqueues(history: _History, ends: dict[str, list[Final]], verdict: Verdict) -> _Breaches:
    for key, jobs in history.keys.items():
        said = max((history.enqueued[job] for job in jobs), key=_RANK.__getitem__)
        found = [final for job in sorted(jobs) for final in ends.get(job, [])]
        verdict.attempted += 1
        verdict.acked += said == "ok"
        verdict.unknown += said in ("unknown", "call")
        verdict.duplicated += len(found) > 1
        verdict.recovered += said in ("unknown", "call") and len(found) == 1
        if said == "ok" and not found:
            verdict.lost += 1
            yield "H1", key, "acked, and not there"
        elif said == "ok" and (len(found) > 1 or JobState(found[0].state) not in TERMINAL):
            yield "H1", key, f"acked, and is {[f.state for f in found]}"
        if len(found) > 1:
            yield "H2", key, f"one submission ({said}) is there {len(found)} times"
    for job, found in ends.items():
        if history.enqueued.get(job, "fail") == "fail":
            verdict.unexpected += 1
            said = "its enqueue is said to have failed" if job in history.enqueued else "nobody enqueued it"
            yield "H3", job, f"is {found[0].state}, and {said}"


def _check_tokens(history: _History) -> _Breaches:
    owners: dict[tuple[str, int], tuple[str, str]] = {}
    for job, claims in history.claims.items():
        for claim in claims:
            token = (claim.get("queue", ""), claim["token"])
            owner = owners.setdefault(token, (job, claim["proc"]))
            if owner != (job, claim["proc"]):
                yield "H4", job, f"token {token[1]} was claimed by {owner} and by {claim['proc']}"


def _check_settles(job: str, history: _History, found: list[Final]) -> _Breaches:
    claims, settles = history.claims.get(job, []), history.settles.get(job, [])
    newest = max((claim["token"] for claim in claims), default=0)
    owners: dict[int, set[str]] = defaultdict(set)
    for claim in claims:
        owners[claim["token"]].add(claim["proc"])
    called: dict[tuple[str, int], float] = {}
    for event in settles:
        if event["phase"] == "call":
            called.setdefault((event["proc"], event["token"]), event["t"])
        if event["phase"] != "ok":
            continue
        token, began = event["token"], called.get((event["proc"], event["token"]), event["t"])
        if event["proc"] not in owners[token]:
            yield "H5", job, f"{event['proc']} settled token {token}, which {sorted(owners[token])} had claimed"
        newer = [c["token"] for c in claims if c["token"] > token and c["t"] < began]
        if newer:
            yield "H5", job, f"token {token} was accepted when token {max(newer)} had been issued"
    for final in found:
        if final.state != JobState.COMPLETED:
            continue
        heard = {(e["token"], e["phase"]) for e in settles if e.get("kind", "complete") == "complete"}
        accepted = {token for token, phase in heard if phase == "ok"}
        if accepted - {final.token}:
            yield "H5", job, f"completed under token {final.token}; accepted were {sorted(accepted)}"
        elif not accepted and (final.token, "fail") in heard:
            yield "H5", job, f"completed under token {final.token}, whose worker was refused"
        elif not accepted and not {(final.token, "unknown"), (final.token, "call")} & heard:
            yield "H5", job, f"completed under token {final.token}, whose worker never said so"
        if newest > final.token:
            yield "H5", job, f"completed under token {final.token}, the newest issued is {newest}"


def _check_runs(job: str, history: _History, found: list[Final], skew_ms: float) -> _Breaches:
    runs = history.runs.get(job, [])
    claimed = {(claim["proc"], claim["token"]) for claim in history.claims.get(job, [])}
    seen: set[int] = set()
    for run in runs:
        if (run["proc"], run["token"]) not in claimed:
            yield "H7", job, f"ran under token {run['token']} without a claim of it"
        if run["token"] in seen:
            yield "H7", job, f"ran twice under token {run['token']}"
        seen.add(run["token"])
        early = history.run_at.get(job, 0.0) - run.get("at_ms", float("inf"))
        if early > skew_ms:
            yield "H8", job, f"ran {early:.0f} ms before its time"
    for final in found:
        if len(runs) > final.delivery:
            yield "H7", job, f"ran {len(runs)} times, delivered {final.delivery} times"
