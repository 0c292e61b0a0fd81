"""kill -9 of the server under load, and a start on the same files. NEXQ_SOAK_SERVER_KILLS for more."""

from __future__ import annotations

import os

import pytest

from tests.faults.soak_plan import Plan, run_soak
from tests.faults.test_kills import SEED, assert_clean

KILLS = int(os.environ.get("NEXQ_SOAK_SERVER_KILLS", "5"))


@pytest.mark.timeout(120 + 2 * KILLS)
@pytest.mark.parametrize("fsync", ["always", "no"])
def test_the_server_is_killed(fsync: str) -> None:
    """The page cache outlives a process: without any fsync nothing is lost here; power cuts are another test.

    `everysec` is not this strict: while an fsync runs on a slow disk, the server puts off its writes (2 s at most) and
    answers all the same, so a kill takes what it had answered meanwhile.
    """
    report = run_soak(
        Plan(
            server_kills=KILLS,
            mortals=0,
            steady=4,
            rate=250,
            poison=0,
            flaky=0,
            fsync=fsync,
            # No lease runs out while the server is away, so no job may run twice.
            lease_s=6.0,
            seed=SEED,
            limit_s=30 + 2 * KILLS,
        )
    )
    assert_clean(report)
    assert report["server_kills"] >= KILLS, report["text"]
    assert report["deaf"] == 0, report["text"]
    assert report["back_s"]["n"] >= 4 * KILLS
    assert report["back_s"]["max"] < 3.0, report["text"]
    assert report["delivered_again"] == report["stale_refused"] == 0, report["text"]


@pytest.mark.timeout(120 + 2 * KILLS)
def test_the_server_and_workers_are_killed() -> None:
    report = run_soak(
        Plan(
            server_kills=KILLS,
            kills=20 * KILLS,
            zombies=1,
            mortals=6,
            steady=2,
            fsync="no",
            seed=SEED,
            limit_s=30 + 2 * KILLS,
        )
    )
    assert_clean(report)
    assert report["server_kills"] >= KILLS, report["text"]
