"""What a soak shall do, as data, and how a test starts one.

The driver is a process of its own, in a session of its own, so that nothing of it can be left running.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: Jobs go to these queues. Those of the second take longer than a lease: heartbeats have to keep them.
QUICK, SLOW = "quick", "slow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One soak. It is over when `kills`, `zombies`, `stops`, `terms` and `server_kills` have all been reached."""

    #: SIGKILLs of workers that ask nobody: at random times, and at the failpoints.
    kills: int = 0
    #: Workers stopped past their lease and set going again once others have their jobs.
    zombies: int = 0
    #: How often a worker is stopped at all, and after how many leases at most it is set going again.
    stops: int = 0
    stop_leases: float = 8.0
    #: SIGTERMs of workers at random times.
    terms: int = 0
    #: SIGKILLs of the server, each followed by a start.
    server_kills: int = 0
    #: Workers that are killed, stopped or told to end, and are replaced.
    mortals: int = 6
    #: Workers that nobody touches.
    steady: int = 0
    #: A few of these are killed, too, when workers are.
    producers: int = 2
    #: Jobs per second, of all producers together.
    rate: float = 400.0
    #: Producers wait while more jobs than this are not done.
    backlog: int = 150
    lease_s: float = 0.5
    grace_s: float = 0.05
    concurrency: int = 3
    #: A mortal is killed this long after its birth at the latest.
    life_s: float = 0.2
    #: Kill at these failpoints only; empty: at every one, and at random times.
    points: tuple[str, ...] = ()
    #: Shares of jobs that fail first, that come with a delay, that kill their worker, and that outlast a lease.
    flaky: float = 0.03
    delayed: float = 0.1
    poison: float = 0.002
    slow: float = 0.0
    #: Most milliseconds that a quick job takes.
    busy_ms: float = 20.0
    fsync: str = "everysec"
    #: A script change of this name (soak_mutants.py): the checks have to notice.
    mutant: str = ""
    seed: int = 1
    #: Give up after this long, and look at what there is.
    limit_s: float = 60.0
    #: How long all jobs may take to end when nothing is killed any more; 0: do not wait for it.
    drain_s: float = 15.0


def kill_plan(kills: int, seed: int) -> Plan:
    """The great soak: everything at once."""
    return Plan(kills=kills, zombies=kills // 100, mortals=8, steady=2, slow=0.02, seed=seed, limit_s=60 + kills / 10)


def run_soak(plan: Plan) -> dict[str, Any]:
    """Run a soak and return its report. Nothing of it is left running, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="nexq-soak-") as folder:
        out = Path(folder) / "report.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.soak_driver", json.dumps(asdict(plan)), folder],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=plan.limit_s + plan.drain_s + 60.0)
        finally:
            # The session is the driver's own: only what it started is in it.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        assert process.returncode == 0, said.decode(errors="replace")[-4000:]
        report: dict[str, Any] = json.loads(out.read_text())
    print(report["text"])
    _keep(report)
    return report


def _keep(report: dict[str, Any]) -> None:
    """Add the report to the file that NEXQ_SOAK_REPORT names: one JSON object per line."""
    path = os.environ.get("NEXQ_SOAK_REPORT")
    if path:
        with Path(path).open("a") as file:
            file.write(json.dumps(report) + "\n")
