"""kill -9 of bridges at any moment, restarts of the broker: no message is lost, and none makes two jobs.

NEXQ_BRIDGE_KILLS=200 NEXQ_BRIDGE_RESTARTS=10 NEXQ_BRIDGE_MESSAGES=100000 for the full count (`make soak`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.bridges.kill_driver import Plan, encode
from tests.support.rabbitmq import rabbitmq_script

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("NEXQ_BRIDGE_KILLS", "20"))
RESTARTS = int(os.environ.get("NEXQ_BRIDGE_RESTARTS", "2"))
MESSAGES = int(os.environ.get("NEXQ_BRIDGE_MESSAGES", "10000"))
SEED = int(os.environ.get("NEXQ_SOAK_SEED", "1"))


def run(plan: Plan) -> dict[str, Any]:
    """Run a plan and return its report. Nothing of it is left running, whatever happens."""
    with tempfile.TemporaryDirectory(prefix="nexq-kills-") as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bridges.kill_driver", encode(plan), folder],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(timeout=plan.limit_s + 120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        assert process.returncode == 0, said.decode(errors="replace")[-4000:]
        report: dict[str, Any] = json.loads((Path(folder) / "report.json").read_text())
    print(
        f"{plan.messages:,} messages, {report['kills']} kills, {report['restarts']} restarts of the broker in "
        f"{report['took_s']:.0f} s: {len(report['lost'])} lost, {len(report['doubled'])} doubled"
    )
    return report


@pytest.mark.timeout(240 + KILLS * 2)
def test_bridges_are_killed_at_any_moment(amqp: str) -> None:
    # What is remembered is all there is: no tombstones. Some messages have no id.
    plan = Plan(messages=6000, kills=KILLS, anonymous=0.3, tomb_ms=0, amqp=amqp, seed=SEED, limit_s=60 + KILLS)
    report = run(plan)
    assert report["errors"] == []
    assert report["kills"] >= KILLS
    assert (report["lost"], report["doubled"]) == ([], [])


@pytest.mark.timeout(600 + (KILLS + 60 * RESTARTS) * 2)
def test_bridges_are_killed_and_the_broker_is_restarted() -> None:
    rabbitmq_script(pytest.skip)
    plan = Plan(messages=MESSAGES, kills=KILLS, restarts=RESTARTS, seed=SEED, limit_s=180 + KILLS + 60 * RESTARTS)
    report = run(plan)
    # What was never sent is not lost by the bridge.
    assert report["published"] == MESSAGES, report["errors"]
    assert report["kills"] >= KILLS and report["restarts"] == RESTARTS
    assert (report["lost"], report["doubled"]) == ([], [])


@pytest.mark.parametrize(
    ("mutant", "point", "harm"), [("forgetful", "settle.before", "doubled"), ("hasty", "enqueue.before", "lost")]
)
def test_the_check_notices_a_bridge_that_does_harm(amqp: str, mutant: str, point: str, harm: str) -> None:
    report = run(
        Plan(messages=2000, kills=8, points=(point,), tomb_ms=0, amqp=amqp, mutant=mutant, bridges=1, limit_s=10)
    )
    assert report[harm]
