"""The server ends and starts again under several writers: history goes on as one, and nothing acknowledged is gone.

NEXQ_SOAK_POGOCACHE_KILLS says how often. Each ends in one of three ways: SIGKILL (everything since the last save is
gone), SAVE and SIGKILL (the file is of many moments, with holes), SIGTERM (it saves while the writers write).
"""

from __future__ import annotations

import os
import random
import signal

import pytest

from nexq.backends import connect
from tests.pogocache.appends import Verdict, judge, read_diaries, read_names
from tests.pogocache.crew import Crew
from tests.pogocache.logreader import read_log
from tests.support.pogocache import Pogocache

ROUNDS = int(os.environ.get("NEXQ_SOAK_POGOCACHE_KILLS", "6"))
SEED = int(os.environ.get("NEXQ_SOAK_SEED", "1"))
MORE = 12


def end(server: Pogocache, how: str, crew: Crew) -> None:
    """End the server in one of the ways."""
    if how == "save":
        server.wire.call("SAVE")
        crew.wait_for_acks(MORE)
    server.term() if how == "term" else server.kill()


async def verdict_of(crew: Crew, server: Pogocache, log: str) -> Verdict:
    """What was told against what a new replica makes of the log; and the log has to be one chain."""
    backend = connect(f"{server.url}/{log}")
    names = await read_names(backend)
    await backend.aclose()
    read_log(server.wire, log)
    return judge(read_diaries(crew.folder), names)


@pytest.mark.timeout(120 + 5 * ROUNDS)
async def test_no_fork_and_nothing_lost(server: Pogocache, log: str, crew: Crew) -> None:
    dice = random.Random(SEED)
    crew.hire("a", "b", "c", "d", url=f"{server.url}/{log}")
    crew.wait_for_acks(MORE)
    for number in range(ROUNDS):
        end(server, ("kill", "save", "term")[number % 3] if number < 3 else dice.choice(("kill", "save", "term")), crew)
        server.start()
        crew.wait_for_acks(MORE)
    crew.dismiss()
    verdict = await verdict_of(crew, server, log)
    assert not verdict.breaches, str(verdict)
    assert verdict.acked >= 4 * MORE * ROUNDS
    print(verdict)


@pytest.mark.timeout(120 + 5 * ROUNDS)
async def test_it_starts_empty_and_the_replicas_have_everything(log: str, crew: Crew) -> None:
    """Without --persist."""
    server = Pogocache().start()
    try:
        crew.hire("a", "b", "c", url=f"{server.url}/{log}")
        crew.wait_for_acks(MORE)
        for _ in range(max(3, ROUNDS // 3)):
            server.restart()
            crew.wait_for_acks(MORE)
        crew.dismiss()
        verdict = await verdict_of(crew, server, log)
        assert not verdict.breaches, str(verdict)
    finally:
        server.stop()


@pytest.mark.timeout(120 + 5 * ROUNDS)
async def test_writers_and_server_are_killed_in_turn(server: Pogocache, log: str, crew: Crew) -> None:
    """One replica lives on each time, and it is enough."""
    crew.hire("w0", "w1", "w2", url=f"{server.url}/{log}")
    crew.wait_for_acks(MORE)
    for number in range(max(3, ROUNDS // 3)):
        crew.send(f"w{number}", signal.SIGKILL)
        crew.wait_for_end(f"w{number}", 5)
        crew.hire(f"w{number + 3}", url=f"{server.url}/{log}")
        crew.wait_for_acks(MORE)
        server.restart()
        crew.wait_for_acks(MORE)
    crew.dismiss()
    verdict = await verdict_of(crew, server, log)
    assert not verdict.breaches, str(verdict)


async def test_a_server_that_saved_in_peace_needs_no_replica(server: Pogocache, log: str, crew: Crew) -> None:
    crew.hire("a", url=f"{server.url}/{log}")
    crew.wait_for_acks(200)
    crew.dismiss()
    server.term()
    server.start()
    (crew.folder / "read").unlink()
    crew.hire("b", url=f"{server.url}/{log}")
    crew.wait_for_acks(MORE)
    crew.dismiss()
    verdict = await verdict_of(crew, server, log)
    assert not verdict.breaches, str(verdict)


async def test_a_writer_that_stood_still_through_a_restart_joins_again(server: Pogocache, log: str, crew: Crew) -> None:
    """What only it knew comes back with it: later in the log than it was acknowledged, but not lost, and once."""
    crew.hire("awake", "asleep", url=f"{server.url}/{log}")
    crew.wait_for_acks(MORE)
    crew.send("asleep", signal.SIGSTOP)
    server.restart()
    crew.wait_for_acks(200, 30, "awake")
    crew.send("asleep", signal.SIGCONT)
    crew.wait_for_acks(MORE)
    crew.dismiss()
    verdict = await verdict_of(crew, server, log)
    assert not verdict.lost, str(verdict)
    assert not verdict.doubled, str(verdict)
