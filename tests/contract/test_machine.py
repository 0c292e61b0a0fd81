"""Histories of moves, run against the model and against each backend at once (machine.py).

More with NEXQ_HYPOTHESIS=deep. Every random run prints its seed; NEXQ_HYPOTHESIS_SEED repeats it.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from nexq.backends.redis import RedisBackend
from nexq.states import JobState
from tests.contract.machine import QueueMachine as Machine
from tests.contract.table import EVENTS, IDS, OPERATIONS, OUTCOMES, RULES, STALE, STATES, VERBS, WAITERS, WORKERS
from tests.support.pogocache import GivenPogocache, Pogocache
from tests.support.servers import Server

DEEP = os.environ.get("NEXQ_HYPOTHESIS") == "deep"
SETTINGS = settings(
    max_examples=2000 if DEEP else 100,
    stateful_step_count=100 if DEEP else 50,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
WALKS = 1000 if DEEP else 70
STEPS = 120


@pytest.fixture
def machine(valkey: Server, redis_server: Server, pogocache: Pogocache | GivenPogocache) -> Iterator[type[Machine]]:
    """The machine, connected."""
    found = cast(Any, Machine)
    found.cells, found.events, found.steps = Counter(), set(), 0
    with asyncio.Runner() as runner:
        found.loop = runner.get_loop()
        found.servers = {s: (v, RedisBackend(v.url)) for s, v in (("valkey", valkey), ("redis", redis_server))}
        found.pogocache_url, found.pair = pogocache.url, None
        yield found
        found.end_pair()
        for _, backend in found.servers.values():
            runner.run(backend.aclose())


@pytest.fixture
def chosen_seed() -> int:
    """The seed of this run, printed."""
    chosen = int(os.environ.get("NEXQ_HYPOTHESIS_SEED") or random.SystemRandom().randrange(2**32))
    print(f"NEXQ_HYPOTHESIS_SEED={chosen}")
    return chosen


@pytest.mark.parametrize("state", STATES)
def test_every_operation_meets_every_state(machine: type[Machine], state: str) -> None:
    """The table of states and operations, cell by cell; a cell that was not reached is an error."""
    for operation in [*OPERATIONS, *(f"{name} stale" for name in STALE)]:
        one = machine()
        one.start()
        one.bring("j0", state)
        one.advance(1)
        one.operate("j0", operation)
        assert machine.cells[state, operation], f"{operation} did not meet {state}"
        # And life goes on the same on every side.
        one.advance(7000)
        one.exchange("w1", 100, 1000.0, 100, RULES[1], [])
        one.repeat_exchange("w1")


@pytest.mark.timeout(3600 if DEEP else 120)
def test_random_histories_agree_with_the_model(machine: type[Machine], chosen_seed: int) -> None:
    """Found and shrunk by Hypothesis."""
    run_state_machine_as_test(seed(chosen_seed)(machine), settings=SETTINGS)
    print(f"{machine.steps} steps, {len(machine.cells)} cells")


@pytest.mark.timeout(3600 if DEEP else 120)
def test_long_random_walks_agree_with_the_model(machine: type[Machine], chosen_seed: int) -> None:
    """Longer and more even than what Hypothesis draws; not shrunk, but repeated by the seed."""
    rng = random.Random(chosen_seed)
    for _ in range(WALKS):
        one = machine()
        one.start()
        for _ in range(STEPS):
            _step(one, rng)
    every = len(STATES) * (len(OPERATIONS) + len(STALE))
    print(
        f"{machine.steps} steps, {len(machine.cells)} of {every} cells, {len(machine.events)} of {len(EVENTS)} events"
    )
    operations = {*OPERATIONS, *(f"{name} stale" for name in STALE)}
    missed = (set(STATES) - {s for s, _ in machine.cells}) | (operations - {o for _, o in machine.cells})
    assert not missed, f"never met in {machine.steps} steps: {sorted(missed)}"
    assert machine.events == set(EVENTS), f"never happened: {sorted(set(EVENTS) - machine.events)}"


def _step(one: Machine, rng: random.Random) -> None:
    pick = rng.choice
    id, worker, slice = pick(IDS), pick(WORKERS), pick([100, 100, 100, 2, 1, 0])
    which = pick(["newest", "newest", "newest", "older", "never"])
    delay = pick([0, 0.125, 10, 300, 5000.25])
    keep = pick([*RULES[:1] * 9, *RULES])
    dice = rng.random()
    if dice < 0.15:
        chosen = rng.choices(IDS, k=pick([1, 2, 6]))
        when, key, most_lost = pick(["", "", "0.5", "40", "3000", "@300"]), pick(["", "k1", "k2"]), pick([0, 1, 9])
        one.enqueue_all(chosen, when, key, pick([5, 9]), most_lost, pick([True, False]))
    elif dice < 0.33:
        one.exchange(worker, pick([1, 2, 100]), pick([20.0, 200.5, 1000.0]), slice, keep, [])
    elif dice < 0.36:
        pick([one.repeat_exchange, one.repeat_exchange, one.late_exchange])(worker)
    elif dice < 0.55:
        picked = [(pick(IDS), pick(["complete", *OUTCOMES]), which, delay) for _ in range(pick([1, 1, 2, 3]))]
        one.exchange(worker, pick([0, 2]), 1000.0, slice, keep, picked)
    elif dice < 0.60:
        one.extend([(id, which), (pick(IDS), "newest")], pick([1000.0, 20.0]))
    elif dice < 0.80:
        one.verb(pick([*VERBS, "cancel"]), id, pick([0, 5, 9]), pick(WAITERS))
    elif dice < 0.82:
        one.purge(pick([s for s in JobState if s is not JobState.RUNNING]), pick([1, 2, 500]))
    elif dice < 0.84:
        one.pause(pick([b'{"reason":"x"}', b"", b""]))
    elif dice < 0.88:
        one.tidy(keep, slice)
    else:
        one.advance(pick([0.001, 0.25, 1, 15, 60, 250, 1000, 7000, -50]))
