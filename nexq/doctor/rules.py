"""The rules about one job: from what a script saw of it at one moment to what is wrong with it. No input or output."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from nexq.job import Run, Spec
from nexq.states import TERMINAL

#: A burst of jobs that become ready in one ms get scores that run ahead of the clock by 1 us each, and a server
#: takes far fewer than a million of them in a second.
AHEAD_MS = 1000.0

_ENDED = frozenset(s.value for s in TERMINAL)


@dataclass(frozen=True, slots=True)
class Moment:
    """The queue when the script looked."""

    now_ms: float
    ready_ms: float
    token: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What a script saw of one job (lua/check.lua)."""

    id: str
    #: Name of each set it stands in (a ready set with its priority: ready5) -> its score there.
    stands: dict[str, float]
    #: The spec without its payload; None: there is none.
    spec: bytes | None
    #: The run record; None: there is none.
    run: bytes | None
    #: Head of the last history line; b'' for none.
    line: bytes
    #: The id that holds this job's unique key.
    holder: str

    @classmethod
    def unpack(cls, row: list[Any]) -> Facts:
        """The facts of a reply's row."""
        id, stands, spec, run, line, holder = row
        words = stands.decode().split()
        return cls(
            id=id.decode(errors="replace"),
            stands={words[i]: float(words[i + 1]) for i in range(0, len(words), 2)},
            spec=spec[1:] if spec else None,
            run=run[1:] if run else None,
            line=line,
            holder=holder.decode(errors="replace"),
        )


def judge(facts: Facts, moment: Moment) -> Iterator[str]:
    """The kinds (kinds.py) of what is wrong with a job."""
    if not facts.stands:
        if facts.spec is not None:
            yield "nowhere"
        return
    if len(facts.stands) > 1:
        yield "two_sets"
        if "running" in facts.stands and any(name.startswith("ready") for name in facts.stands):
            yield "two_leases"
    spec = _spec_of(facts)
    if facts.spec is None:
        yield "no_spec"
    elif spec is None:
        yield "bad_spec"
    yield from _judge_scores(facts, moment)
    yield from _judge_run(facts, spec, moment)
    if facts.line and not _readable_line(facts.line):
        yield "bad_history"
    if "dead" in facts.stands and not facts.line:
        yield "no_reason"
    if spec is not None and spec.unique and facts.holder != facts.id and not _ENDED & facts.stands.keys():
        yield "unique_lost"


def token_of(facts: Facts) -> int:
    """The token of a running job's record; 0 where there is none."""
    try:
        return Run.unpack(facts.run).token if "running" in facts.stands else 0
    except ValueError:
        return 0


def _judge_scores(facts: Facts, moment: Moment) -> Iterator[str]:
    for name, score in facts.stands.items():
        usable = math.isfinite(score) and score > 0
        if name in ("scheduled", "retrying") and not usable:
            yield "no_due"
        elif name == "running" and not usable:
            yield "bad_lease"
        elif name.startswith("ready") and score > max(moment.now_ms + AHEAD_MS, moment.ready_ms):
            yield "ready_early"


def _judge_run(facts: Facts, spec: Spec | None, moment: Moment) -> Iterator[str]:
    try:
        run = Run.unpack(facts.run)
    except ValueError:
        yield "bad_run"
        return
    if facts.run == b"":
        yield "bad_run"
    if "running" in facts.stands and (run.token < 1 or not run.worker):
        yield "no_run"
    if "completed" in facts.stands and run.token < 1:
        yield "no_token"
    if run.token > moment.token:
        yield "token_ahead"
    counts = (run.attempt, run.delivery, run.lost, run.token)
    if min(counts) < 0 or run.delivery < max(run.attempt, run.lost):
        yield "bad_counts"
    limit = spec.options.get("max_attempts") if spec is not None else None
    if isinstance(limit, int) and run.attempt > max(limit, 1):
        yield "too_many_attempts"


def _spec_of(facts: Facts) -> Spec | None:
    """The spec; None when there is none or it cannot be read."""
    if facts.spec is None:
        return None
    try:
        spec = Spec.unpack(facts.spec)
    except (ValueError, LookupError, orjson.JSONDecodeError):
        return None
    sound = 0 <= spec.priority <= 9 and 0 <= spec.max_lost <= 9 and isinstance(spec.options, dict)
    return spec if sound else None


def _readable_line(line: bytes) -> bool:
    words = line.split(b" ", 6)
    return len(words) == 7 and all(word.isdigit() for word in words[1:5])
