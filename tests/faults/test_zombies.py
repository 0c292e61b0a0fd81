"""SIGSTOP of workers past their lease: what they say when they go on again is refused. NEXQ_SOAK_ZOMBIES for more."""

from __future__ import annotations

import os

import pytest

from tests.faults.soak_plan import Plan, run_soak
from tests.faults.test_kills import SEED, assert_clean

ZOMBIES = int(os.environ.get("NEXQ_SOAK_ZOMBIES", "20"))


@pytest.mark.timeout(120 + ZOMBIES)
def test_zombies_settle_nothing() -> None:
    report = run_soak(Plan(zombies=ZOMBIES, mortals=6, steady=2, rate=150, poison=0, seed=SEED, limit_s=30 + ZOMBIES))
    assert_clean(report)
    assert report["zombies"] >= ZOMBIES, report["text"]
    # Those that stood still just before they handed outcomes in have handed them in since.
    assert report["stale_refused"] >= report["killed_where"]["at settle.before"] > 0, report["text"]


def test_a_lone_zombie_goes_on_with_its_own_jobs() -> None:
    """Nobody else is there: what its lease lost comes back to itself, while it still runs it."""
    report = run_soak(
        Plan(
            stops=5,
            stop_leases=1.5,
            mortals=1,
            concurrency=5,
            lease_s=0.3,
            busy_ms=600,
            rate=30,
            backlog=25,
            producers=1,
            poison=0,
            delayed=0,
            seed=SEED,
            limit_s=20,
        )
    )
    assert_clean(report)
    assert report["lost_lease"] > 0, report["text"]


def test_the_checks_see_a_missing_fence() -> None:
    """The zombie's settle is taken on the new owner's behalf: every job is completed once, and it is wrong."""
    report = run_soak(
        Plan(zombies=6, mortals=4, steady=1, rate=100, poison=0, mutant="no_fence", limit_s=6, drain_s=3, seed=SEED)
    )
    assert report["zombies"] > 0
    assert "H5" in report["rules"], report["text"]
    assert report["stale_accepted"] > 0
    # Counting sees nothing of it: all there, once, in a terminal state.
    assert report["verdict"]["lost"] == report["verdict"]["duplicated"] == 0
    assert "H1" not in report["rules"]
