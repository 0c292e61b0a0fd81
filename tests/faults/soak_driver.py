"""The driver of a soak: one warm process without loop, threads or connections, which forks workers and kills them.

`python -m tests.faults.soak_driver PLAN.json FOLDER` runs one plan (soak_plan.py) and writes FOLDER/report.json.
`python -m tests.faults.soak_driver 10000` kills that many workers and prints the report.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import heapq
import itertools
import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nexq import scripts
from nexq.keys import queue_keys
from tests.faults import soak_child
from tests.faults.soak_child import ENQUEUE_POINTS, POINTS, Fate
from tests.faults.soak_plan import QUICK, SLOW, Plan, kill_plan, run_soak
from tests.faults.soak_report import Facts, make_report
from tests.faults.soak_watch import Child, Restarts, Zombies
from tests.support.servers import Server, valkey_binary

AOF = ("--save", "", "--appendonly", "yes", "--appendfsync")
DEAD_WITH_PARENT = 1  # PR_SET_PDEATHSIG


class Driver:
    """Runs one plan."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.rng = random.Random(plan.seed)
        self.server = Server(valkey_binary(), (*AOF, plan.fsync)).start()
        self.facts = Facts()
        self.registry = soak_child.make_registry()
        self.children: dict[int, Child] = {}
        self.numbers = itertools.count(1)
        self.todo: list[tuple[float, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.ending = self.plan_is_over = False
        self.zombies, self.restarts = Zombies(self), Restarts(self)
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        os.set_blocking(self._wake_w, False)

    # -- Life

    def run(self) -> dict[str, Any]:
        """Kill until the plan is fulfilled, let the rest drain, look at what there is."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_w, warn_on_full_buffer=False)
        for name in scripts.names():
            scripts.load(name)
        gc.freeze()
        began = time.monotonic()
        try:
            for _ in range(self.plan.producers):
                self._spawn("producer")
            for _ in range(self.plan.steady):
                self._spawn("steady")
            for _ in range(self.plan.mortals):
                self._spawn("mortal")
            if self.plan.server_kills:
                self.later(0.5, self.restarts.kill)
            self._turn_until(self._fulfilled, self.plan.limit_s)
            self.facts.seconds = time.monotonic() - began
            self._drain()
            self._end_all()
            return make_report(self.plan, self.folder, self.server.url, self.facts)
        finally:
            for child in list(self.children.values()):
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
            self.server.stop()

    def _fulfilled(self) -> bool:
        facts, plan = self.facts, self.plan
        return (
            facts.killed >= plan.kills
            and facts.zombies >= plan.zombies
            and facts.woken >= plan.stops
            and facts.ended["SIGTERM"] >= plan.terms
            and facts.server_kills >= plan.server_kills
        )

    def _turn_until(self, fact: Callable[[], bool], limit_s: float) -> bool:
        """Reap, do what is due, and wait for either, until the fact is there. False: the time was over."""
        deadline = time.monotonic() + limit_s
        while not fact():
            now = time.monotonic()
            if now > deadline or self.facts.bad_exits > 20:
                return False
            due = self.todo[0][0] if self.todo else now + 0.05
            select.select([self._wake_r], [], [], max(0.0, min(due - now, 0.05)))
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_r, 4096)
            self._reap()
            while self.todo and self.todo[0][0] <= time.monotonic():
                heapq.heappop(self.todo)[2]()
        return True

    def later(self, wait_s: float, action: Callable[[], None]) -> None:
        """Do something after a while."""
        heapq.heappush(self.todo, (time.monotonic() + wait_s, next(self.order), action))

    def _drain(self) -> None:
        """Nobody is killed any more (but for the work of poison); wait until every job has ended."""
        self.ending = True
        self._signal_all("producer", signal.SIGTERM)
        self._turn_until(lambda: not any(c.kind == "producer" for c in self.children.values()), 10.0)
        if self.plan.drain_s:
            began = time.monotonic()
            self.facts.drained = self._turn_until(self._all_ended, self.plan.drain_s)
            self.facts.drain_s = time.monotonic() - began

    def _all_ended(self) -> bool:
        commands = []
        for queue in (QUICK, SLOW):
            keys = queue_keys("nexq", queue)
            sets = [keys[s] for s in ("blocked", "scheduled", "retrying", "running")]
            commands += [("ZCARD", key) for key in (*sets, *(keys["ready"] + str(p) for p in range(10)))]
        return not sum(self.server.wire.pipeline(commands))

    def _end_all(self) -> None:
        self.plan_is_over = True
        self._signal_all("", signal.SIGCONT)
        self._signal_all("", signal.SIGTERM)
        self._turn_until(lambda: not self.children, 10.0)
        self.facts.stuck = sorted(c.name for c in self.children.values())

    def _signal_all(self, kind: str, how: signal.Signals) -> None:
        for child in self.children.values():
            if not kind or child.kind == kind:
                os.kill(child.pid, how)

    # -- Births

    def _spawn(self, kind: str) -> None:
        number = next(self.numbers)
        name = f"{'p' if kind == 'producer' else 'w'}{number}"
        fate = Fate() if kind == "steady" else self._draw_fate(kind)
        pid = os.fork()
        if pid == 0:
            self._live(kind, name, number, fate)
        child = self.children[pid] = Child(pid, name, kind, time.monotonic())
        self.facts.spawned += 1
        if kind == "mortal" and not self.ending:
            self._foresee(child, fate)

    def _live(self, kind: str, name: str, number: int, fate: Fate) -> None:
        """The child's side of the fork: it never returns."""
        code = 1
        try:
            ctypes.CDLL(None).prctl(DEAD_WITH_PARENT, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            random.seed(number)
            if kind == "producer":
                soak_child.produce(self.plan, self.server.url, self.folder, name, fate, self.plan.seed * 1000 + number)
            else:
                queues = (QUICK, SLOW) if self.plan.slow and kind == "steady" else (QUICK,)
                soak_child.work(self.plan, self.server.url, self.folder, name, fate, queues, self.registry)
            code = 0
        except BaseException as error:
            with (self.folder / "errors.log").open("a") as file:
                file.write(f"{name} ended: {error!r}\n")
        finally:
            os._exit(code)

    def _draw_fate(self, kind: str) -> Fate:
        plan, rng = self.plan, self.rng
        if self.ending or plan.terms:
            return Fate()
        if kind == "producer":
            return Fate(rng.choice(ENQUEUE_POINTS), rng.randint(1, 100)) if plan.kills else Fate()
        if (plan.zombies or plan.stops) and (not plan.kills or rng.random() < 0.04):
            return Fate(rng.choice(("settle.before", "run.before", "run.after")), rng.randint(1, 4), signal.SIGSTOP)
        if plan.kills and (plan.points or rng.random() < 0.6):
            return Fate(rng.choice(plan.points or POINTS), rng.randint(1, 3))
        return Fate()

    def _foresee(self, child: Child, fate: Fate) -> None:
        """What happens to a worker whose fate does not come by itself in time."""
        plan, rng = self.plan, self.rng
        wait_s = rng.uniform(0.0, plan.life_s)
        if plan.terms:
            self.later(wait_s, lambda: self._kill_begun(child, "random", signal.SIGTERM))
        elif fate.point:
            late_s = plan.life_s * (20 if fate.how is signal.SIGSTOP or plan.points else 1)
            self.later(late_s, lambda: self._kill_begun(child, "late"))
        elif plan.kills and rng.random() < 0.2:
            self.later(wait_s, lambda: self.kill(child, "random"))
        elif plan.kills:
            self.later(wait_s / 2, lambda: self._kill_begun(child, "random"))

    def _kill_begun(self, child: Child, by: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Kill a worker, but not before it has claimed: a busy machine is slow to start one."""
        path = self.folder / f"{child.name}.jsonl"
        begun = path.exists() and path.stat().st_size
        if begun or time.monotonic() > child.born + 2.0:
            self.kill(child, by, how)
        elif self.children.get(child.pid) is child:
            self.later(self.rng.uniform(0.005, 0.05), lambda: self._kill_begun(child, by, how))

    # -- Deaths

    def kill(self, child: Child, by: str, how: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal, unless the process has ended or the soak comes to its end."""
        if not self.ending and self.children.get(child.pid) is child:
            child.by = by
            if how is signal.SIGKILL:
                self.facts.deaths[child.name] = time.monotonic()
            os.kill(child.pid, how)

    def _reap(self) -> None:
        for child in list(self.children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG | os.WUNTRACED)
            if not pid:
                continue
            if os.WIFSTOPPED(status):
                self.zombies.stopped(child)
                continue
            del self.children[pid]
            self._note_end(child, status)
            if not self.plan_is_over and not (self.ending and child.kind == "producer"):
                self._spawn(child.kind)

    def _note_end(self, child: Child, status: int) -> None:
        facts = self.facts
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            facts.deaths.setdefault(child.name, time.monotonic())
            if child.kind == "producer":
                facts.ended["producers"] += 1
            else:
                facts.killed += 1
                facts.ended[child.by or "itself"] += 1
        elif child.by == "random" and self.plan.terms:
            # One that had not come to install its handler dies of the signal: it had claimed nothing.
            facts.ended["SIGTERM"] += 1
            facts.bad_exits += status not in (0, signal.SIGTERM)
        elif status != 0 and not (self.plan_is_over and os.WIFSIGNALED(status)):
            facts.bad_exits += 1


def main() -> None:
    """Run what the arguments say."""
    if len(sys.argv) == 2:
        run_soak(kill_plan(int(sys.argv[1]), seed=int(os.environ.get("NEXQ_SOAK_SEED", "1"))))
        return
    folder = Path(sys.argv[2])
    report = Driver(Plan(**json.loads(sys.argv[1])), folder).run()
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
