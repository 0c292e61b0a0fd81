"""SIGKILL and SIGTERM of workers at any moment: no job is lost, none is settled by one who had lost it.

NEXQ_SOAK_KILLS=10000 for the full count, NEXQ_SOAK_SEED for another course, NEXQ_SOAK_REPORT=FILE for the figures.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from nexq.backends.redis import RedisBackend
from tests.faults.soak_plan import Plan, kill_plan, run_soak
from tests.support.servers import Server

KILLS = int(os.environ.get("NEXQ_SOAK_KILLS", "1000"))
SEED = int(os.environ.get("NEXQ_SOAK_SEED", "1"))


def assert_clean(report: dict[str, Any]) -> None:
    """Whatever was done to the processes, the jobs are as they have to be."""
    assert report["drained"], report["text"]
    assert not report["rules"], report["text"]
    assert report["stale_accepted"] == 0
    for count in ("lost", "unexpected", "duplicated"):
        assert report["verdict"][count] == 0, report["text"]
    assert not report["doctor"], report["text"]
    assert not report["errors"], report["text"]
    assert not report["stuck"], report["text"]
    assert report["bad_exits"] == 0, report["text"]
    assert not report["wrong_attempts"], report["text"]


@pytest.mark.timeout(120 + KILLS / 5)
def test_workers_killed_at_any_point_lose_nothing() -> None:
    report = run_soak(kill_plan(KILLS, SEED))
    assert_clean(report)
    assert report["killed"] >= KILLS, report["text"]
    assert report["zombies"] >= KILLS // 100
    assert report["verdict"]["acked"] > KILLS
    # Poison ends in the dead set, and whoever happened to be beside it goes on.
    assert report["poison"]["buried"] == report["poison"]["jobs"] > 0
    assert report["states"]["completed"] > report["verdict"]["acked"] * 0.98
    if KILLS >= 300:
        points = {name for name in report["killed_where"] if name.startswith("at ")}
        assert len(points) >= 10, f"only {points} were reached"


def test_a_dead_workers_jobs_run_again_within_a_lease_and_a_tenth() -> None:
    plan = Plan(
        kills=30,
        points=("claim.noted", "run.before", "run.after"),
        mortals=3,
        steady=2,
        rate=60,
        producers=1,
        poison=0,
        flaky=0,
        delayed=0,
    )
    # The target is a p99, and the machine may be busy with other things: one round of three has to meet it.
    for _ in range(3):
        report = run_soak(plan)
        assert_clean(report)
        assert report["again_s"]["n"] >= 30
        if report["again_s"]["p99"] <= plan.lease_s + 0.1:
            return
    pytest.fail(report["text"])


def test_workers_told_to_end_give_their_jobs_back_uncounted() -> None:
    terms = max(100, KILLS // 10)
    report = run_soak(
        Plan(terms=terms, mortals=5, rate=250, poison=0, busy_ms=60, lease_s=5.0, seed=SEED, limit_s=20 + terms / 10)
    )
    assert_clean(report)
    assert report["killed_where"]["SIGTERM"] >= terms
    assert report["settles"]["release ok"] > 0
    # Nobody had to wait for a lease to run out, and assert_clean has looked at the attempts.
    assert report["lost_lease"] == 0
    assert report["stale_refused"] == 0


def test_the_checks_see_jobs_that_stay_with_the_dead() -> None:
    report = run_soak(Plan(kills=15, mortals=4, rate=200, poison=0, mutant="no_reap", limit_s=5, drain_s=1.5))
    assert not report["drained"]
    assert "H1" in report["rules"], report["text"]
    assert report["states"]["running"] > 0


def test_the_checks_see_tokens_that_are_given_twice() -> None:
    report = run_soak(Plan(kills=15, mortals=4, rate=200, poison=0, mutant="same_token", limit_s=5, drain_s=3))
    assert "H4" in report["rules"], report["text"]


async def test_a_wait_that_is_cancelled_while_it_connects_ends(valkey: Server) -> None:
    for turns in range(1, 30):
        backend = RedisBackend(valkey.url)
        wait = asyncio.create_task(backend.wait(["nobody:pushes"], 0.05))
        for _ in range(turns):
            await asyncio.sleep(0)
        wait.cancel()
        await asyncio.wait([wait])
        await backend.aclose()
        assert wait.cancelled(), f"cancelled after {turns} turns of the loop, it went on"
