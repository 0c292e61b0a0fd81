"""A list that several processes append to: what each was told, against what the list holds in the end.

Every name is appended once. An append says the place that its name got, so whoever was told a place that the list does
not bear out has been on a fork of history. Nothing here knows how the backend works.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from nexq.backends.base import Backend
from nexq.scripts import load

LUA = Path(__file__).with_name("lua")
KEY = "nexq:{appends}:names"
PAGE = 5000


async def append(backend: Backend, name: str) -> int:
    """Append a name; its place, from 1."""
    return cast(int, await backend.run(load("append", LUA), "appends", [KEY], [name]))


async def read_names(backend: Backend) -> list[str]:
    """The whole list."""
    names: list[str] = []
    while True:
        page = await backend.run(load("read", LUA), "appends", [KEY], [len(names), len(names) + PAGE - 1])
        names += [name.decode() for name in cast(list[bytes], page)]
        if len(cast(list[bytes], page)) < PAGE:
            return names


class Diary:
    """What one process did and was told. One write per line: a SIGKILL loses none."""

    def __init__(self, folder: Path, proc: str) -> None:
        self._file = os.open(folder / f"{proc}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._proc = proc

    def write(self, phase: str, name: str = "", **more: Any) -> None:
        """`call`, then `ok` with a place, `fail` (nothing was changed) or `unknown`; others are remarks."""
        line = {"t": time.monotonic(), "proc": self._proc, "phase": phase, "name": name, **more}
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_diaries(folder: Path) -> list[dict[str, Any]]:
    """Every line of every process, by time."""
    lines = [json.loads(line) for path in folder.glob("*.jsonl") for line in path.read_bytes().splitlines()]
    return sorted(lines, key=lambda line: line["t"])


@dataclass
class Verdict:
    """What came out."""

    acked: int = 0
    failed: int = 0
    unknown: int = 0
    #: In the list, though its process was not told so.
    recovered: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    forked: list[str] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    @property
    def breaches(self) -> list[str]:
        """Everything that must not be."""
        return [*self.lost, *self.doubled, *self.forked, *self.odd]

    def __str__(self) -> str:
        counts = f"acked {self.acked}, failed {self.failed}, unknown {self.unknown} (of these done {self.recovered})"
        kinds = ", ".join(f"{len(getattr(self, kind))} {kind}" for kind in ("lost", "doubled", "forked", "odd"))
        return "\n".join([f"{counts}; {kinds}", *self.breaches[:20]])


def judge(diaries: Iterable[dict[str, Any]], names: list[str]) -> Verdict:
    """Compare what the processes were told with the list. O(n)."""
    called: dict[str, float] = {}
    told: dict[str, dict[str, Any]] = {}
    for line in diaries:
        if line["phase"] == "call":
            called[line["name"]] = line["t"]
        elif line["phase"] in ("ok", "fail", "unknown"):
            told[line["name"]] = line
    phases = Counter(told[name]["phase"] if name in told else "unknown" for name in called)
    verdict = Verdict(phases["ok"], phases["fail"], phases["unknown"])
    places = {name: place for place, name in enumerate(names, 1)}
    verdict.doubled = [f"{name} is there {n} times" for name, n in Counter(names).items() if n > 1]
    for name in called:
        _judge_name(name, told.get(name), places, verdict)
    verdict.odd += [f"{name} is there, and nobody appended it" for name in places if name not in called]
    verdict.odd += _out_of_order(names, called, told)
    return verdict


def _judge_name(name: str, told: dict[str, Any] | None, places: dict[str, int], verdict: Verdict) -> None:
    phase, place = told["phase"] if told else "unknown", places.get(name)
    if phase == "ok" and told is not None:
        if place is None:
            verdict.lost.append(f"{name} was acknowledged at place {told['place']}, and is not there")
        elif place != told["place"] and not verdict.doubled:
            verdict.forked.append(f"{name} was told place {told['place']}, and is at {place}")
    elif phase == "fail" and place is not None:
        verdict.odd.append(f"{name} is at {place}, and its process was told that nothing was changed")
    elif place is not None:
        verdict.recovered += 1


def _out_of_order(names: list[str], called: dict[str, float], told: dict[str, dict[str, Any]]) -> list[str]:
    """Names that stand behind one that was begun only after they had been acknowledged."""
    breaches, latest = [], float("-inf")
    for name in names:
        answer = told.get(name)
        if answer is not None and answer["phase"] == "ok" and answer["t"] < latest:
            breaches.append(f"{name} was acknowledged before one was begun that stands before it")
        latest = max(latest, called.get(name, latest))
    return breaches
