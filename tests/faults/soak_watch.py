"""What the driver waits for: that others have a stopped worker's jobs, that every worker claims from a new server."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from nexq.keys import queue_keys
from tests.faults.soak_plan import QUICK, Plan
from tests.faults.soak_report import Facts
from tests.support.servers import Server


@dataclass(slots=True, eq=False)
class Child:
    """A process of the soak."""

    pid: int
    name: str
    kind: str
    born: float
    #: Bytes of its history that have been read, and what it holds: job -> token.
    read: int = 0
    held: dict[str, int] = field(default_factory=dict)
    #: Claims and answers to settles since the last look.
    answers: list[str] = field(default_factory=list)
    #: Who killed it; '' for itself.
    by: str = ""

    def read_on(self, folder: Path) -> None:
        """Read what it has noted since the last time."""
        try:
            with (folder / f"{self.name}.jsonl").open("rb") as file:
                file.seek(self.read)
                whole, end, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return
        self.read += len(whole) + len(end)
        for event in map(json.loads, whole.splitlines()):
            if event["op"] == "claim":
                self.held[event["job"]] = event["token"]
                self.answers.append("claim")
            elif event["op"] == "settle" and event["phase"] != "call":
                self.held.pop(event["job"], None)
                self.answers.append(event["phase"])


class Driver(Protocol):
    """What is needed of the driver."""

    plan: Plan
    folder: Path
    rng: random.Random
    server: Server
    facts: Facts
    children: dict[int, Child]
    ending: bool

    def later(self, wait_s: float, action: Callable[[], None]) -> None:
        """Do something after a while."""
        ...

    def kill(self, child: Child, by: str) -> None:
        """SIGKILL."""
        ...


class Zombies:
    """Workers that stand still past their lease."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._queue = queue_keys("nexq", QUICK)

    def stopped(self, child: Child) -> None:
        """A worker stands still."""
        self._driver.facts.stops += 1
        self._watch(child, time.monotonic() + self._driver.plan.stop_leases * self._driver.plan.lease_s)

    def _watch(self, child: Child, deadline: float) -> None:
        """Set it going when what it held has gone to others."""
        driver = self._driver
        if driver.children.get(child.pid) is not child:
            return
        child.read_on(driver.folder)
        if child.held:
            still = self._still_held(child)
            if still and time.monotonic() < deadline:
                driver.later(0.01, lambda: self._watch(child, deadline))
                return
            driver.facts.zombies += not still
            driver.facts.zombie_jobs += len(child.held) - len(still)
        child.answers.clear()
        driver.facts.woken += 1
        os.kill(child.pid, signal.SIGCONT)
        self._await(child, time.monotonic() + 2.0)

    def _still_held(self, child: Child) -> list[str]:
        """The jobs that nobody has taken over."""
        ids = list(child.held)
        records = self._driver.server.wire.call("HMGET", self._queue["runs"], *ids)
        leases = self._driver.server.wire.call("ZMSCORE", self._queue["running"], *ids)
        return [
            id
            for id, record, lease in zip(ids, records, leases, strict=True)
            if lease is not None and int(record.split(b" ", 1)[0]) == child.held[id]
        ]

    def _await(self, child: Child, deadline: float) -> None:
        """It goes on: kill it once it was told what became of its outcomes."""
        child.read_on(self._driver.folder)
        if not child.answers and time.monotonic() < deadline:
            self._driver.later(0.01, lambda: self._await(child, deadline))
        else:
            self._driver.kill(child, "zombie")


class Restarts:
    """The server's deaths."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def kill(self) -> None:
        """Kill the server and start it again; the next time comes when every worker has claimed again."""
        driver = self._driver
        if driver.ending:
            return
        workers = [c for c in driver.children.values() if c.kind != "producer"]
        for child in workers:
            child.read_on(driver.folder)
            child.answers.clear()
        driver.server.kill()
        driver.facts.server_down.append(time.monotonic())
        driver.server.start()
        driver.facts.server_up.append(time.monotonic())
        self._await(workers, time.monotonic() + 4.0)

    def _await(self, workers: list[Child], deadline: float) -> None:
        """Every worker that lives has to claim again."""
        driver = self._driver
        for child in workers:
            child.read_on(driver.folder)
        left = [c for c in workers if c.pid in driver.children and "claim" not in c.answers]
        if left and time.monotonic() < deadline:
            driver.later(0.01, lambda: self._await(left, deadline))
            return
        driver.facts.deaf += len(left)
        driver.facts.server_kills += 1
        driver.later(driver.rng.uniform(0.0, 0.5), self.kill)
