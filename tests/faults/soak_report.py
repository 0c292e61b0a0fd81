"""What came of a soak: the histories against the store, in Jepsen's words, with figures."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nexq.backends.redis import RedisBackend
from nexq.doctor import examine
from nexq.job import JobRecord
from nexq.states import JobState
from nexq.store import Store
from tests.faults.soak_plan import QUICK, SLOW, Plan
from tests.support.history import Final, check_history, read_history

Events = list[dict[str, Any]]


@dataclass(slots=True)
class Facts:
    """What the driver saw."""

    seconds: float = 0.0
    drain_s: float = 0.0
    drained: bool = False
    spawned: int = 0
    killed: int = 0
    #: How processes ended: by the driver at random, too late at their failpoint, as zombies, by themselves.
    ended: Counter[str] = field(default_factory=Counter)
    #: Name -> when it was killed.
    deaths: dict[str, float] = field(default_factory=dict)
    bad_exits: int = 0
    #: Processes that did not end within 10 s of SIGTERM.
    stuck: list[str] = field(default_factory=list)
    #: Workers that stood still; that were set going again; whose jobs all went to others meanwhile; these jobs.
    stops: int = 0
    woken: int = 0
    zombies: int = 0
    zombie_jobs: int = 0
    #: Restarts of the server after which every worker has claimed again, or had its time.
    server_kills: int = 0
    server_down: list[float] = field(default_factory=list)
    server_up: list[float] = field(default_factory=list)
    #: Workers that had not claimed 4 s after the server was back.
    deaf: int = 0


def make_report(plan: Plan, folder: Path, url: str, facts: Facts) -> dict[str, Any]:
    """Everything there is to say about a soak, JSON-able. `text` is for people."""
    events = read_history(folder)
    died = Counter(e["point"] for e in events if e["op"] == "die")
    poison = {e["job"] for e in events if e.get("poison")}
    events = [e for e in events if e["op"] != "die"]
    records, findings = asyncio.run(_look(url))
    finals = [Final(r.id, r.state.value, r.run.token, r.run.delivery) for r in records]
    verdict = check_history(events, finals, skew_ms=1.0)
    settles = Counter((e["phase"], e["kind"]) for e in events if e["op"] == "settle")
    again_s = sorted(_claimed_again(events, facts.deaths))
    back_s = _claimed_after_restart(events, facts)
    report: dict[str, Any] = {
        "verdict": {
            name: getattr(verdict, name)
            for name in ("attempted", "acked", "lost", "unexpected", "duplicated", "recovered", "unknown")
        },
        "rules": sorted(verdict.rules),
        "breaches": verdict.breaches[:20],
        "states": dict(Counter(r.state.value for r in records)),
        "drained": facts.drained,
        "drain_s": round(facts.drain_s, 2),
        "seconds": round(facts.seconds, 1),
        "killed": facts.killed,
        "kills_per_s": round(facts.killed / facts.seconds, 1) if facts.seconds else 0,
        "killed_where": dict(facts.ended) | {f"at {point}": n for point, n in died.items()},
        "bad_exits": facts.bad_exits,
        "stuck": facts.stuck,
        "stops": facts.stops,
        "zombies": facts.zombies,
        "zombie_jobs": facts.zombie_jobs,
        "stale_refused": sum(n for (phase, _), n in settles.items() if phase == "fail"),
        "stale_accepted": sum(rule == "H5" for rule, _, _ in verdict.breaches),
        "settles": {f"{kind} {phase}": n for (phase, kind), n in sorted(settles.items())},
        "claims": sum(e["op"] == "claim" for e in events),
        "runs": sum(e["op"] == "run" for e in events),
        "delivered_again": sum(r.run.delivery > 1 for r in records),
        "lost_lease": sum(r.run.lost > 0 for r in records),
        "poison": _poison(records, poison),
        "wrong_attempts": [r.id for r in records if not _attempts_fit(r)][:20],
        "server_kills": facts.server_kills,
        "deaf": facts.deaf,
        "again_s": _spread(again_s),
        "back_s": _spread(sorted(back_s)),
        "doctor": findings,
        "errors": _errors(folder),
    }
    report["text"] = _text(plan, report)
    return report


async def _look(url: str) -> tuple[list[JobRecord], list[dict[str, Any]]]:
    """Every job there is, and the doctor's findings."""
    store = Store(RedisBackend(url))
    try:
        records = [
            record for queue in (QUICK, SLOW) for state in JobState async for record in store.views.walk(queue, state)
        ]
        report = await examine(store)
        return records, [f.as_dict() for f in report.findings]
    finally:
        await store.aclose()


def _claimed_again(events: Events, deaths: dict[str, float]) -> list[float]:
    """Of each claim that a killed worker held: the time from its death to the job's next claim."""
    held: dict[str, dict[str, float]] = defaultdict(dict)
    after: dict[str, list[float]] = defaultdict(list)
    for e in events:
        if e["op"] == "claim":
            held[e["proc"]][e["job"]] = e["t"]
            after[e["job"]].append(e["t"])
        elif e["op"] == "settle":
            # Once it is on its way nobody can say what became of it.
            held[e["proc"]].pop(e["job"], None)
    out = []
    for proc, died in deaths.items():
        for job in held.get(proc, ()):
            later = [t for t in after[job] if t > died]
            if later:
                out.append(min(later) - died)
    return out


def _claimed_after_restart(events: Events, facts: Facts) -> list[float]:
    """Per restart of the server and worker: seconds until its first claim."""
    claims: dict[str, list[float]] = defaultdict(list)
    for e in events:
        if e["op"] == "claim":
            claims[e["proc"]].append(e["t"])
    out = []
    for down, up in zip(facts.server_down, facts.server_up, strict=True):
        for times in claims.values():
            later = [t for t in times if t > down]
            if times[0] < down and later:
                out.append(max(0.0, later[0] - up))
    return out


def _attempts_fit(record: JobRecord) -> bool:
    """Whether only runs that counted were counted: one per retry, one for how it ended."""
    retries = sum(a.outcome == "retry" for a in record.attempts)
    counted = retries + (record.state in (JobState.COMPLETED, JobState.RUNNING))
    if record.state is JobState.DEAD:
        counted += record.attempts[-1].outcome == "bury"
    return record.run.attempt == counted


def _poison(records: list[JobRecord], poison: set[str]) -> dict[str, int]:
    """How many poison jobs there were, those that were buried as lost, and others that were."""
    lost = {r.id for r in records if r.state is JobState.DEAD and r.attempts[-1].outcome == "lost"}
    there = {r.id for r in records} & poison
    return {"jobs": len(there), "buried": len(lost & poison), "others_buried": len(lost - poison)}


def _spread(sorted_s: list[float]) -> dict[str, float]:
    """Count, median, p99 and largest, in seconds."""
    if not sorted_s:
        return {"n": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    last = len(sorted_s) - 1
    return {
        "n": len(sorted_s),
        "p50": round(sorted_s[last // 2], 3),
        "p99": round(sorted_s[round(last * 0.99)], 3),
        "max": round(sorted_s[-1], 3),
    }


def _errors(folder: Path) -> list[str]:
    path = folder / "errors.log"
    return path.read_text().splitlines()[:40] if path.exists() else []


def _text(plan: Plan, report: dict[str, Any]) -> str:
    words = ", ".join(f"{name} {n:,}" for name, n in report["verdict"].items())
    lines = [
        words,
        f"{report['killed']:,} workers killed in {report['seconds']} s ({report['kills_per_s']} a second), "
        f"drained {'in' if report['drained'] else 'NOT within'} {report['drain_s']} s",
        f"{report['zombies']} zombies with {report['zombie_jobs']} jobs, {report['server_kills']} kills of the server",
        f"stale settles refused {report['stale_refused']:,}, accepted {report['stale_accepted']}; "
        f"claims {report['claims']:,}, runs {report['runs']:,}, jobs delivered again {report['delivered_again']:,}",
        f"how they died: {report['killed_where']}",
        f"claimed again after a death (lease {plan.lease_s} s): {report['again_s']}",
        f"states {report['states']}, poison {report['poison']}, settles {report['settles']}",
    ]
    if report["server_kills"]:
        lines.append(f"claimed again after the server was back: {report['back_s']}, deaf {report['deaf']}")
    odd = ("stuck", "rules", "breaches", "wrong_attempts", "doctor", "errors")
    lines += [f"{name.upper()}: {report[name]}" for name in odd if report[name]]
    return "\n".join(lines)
