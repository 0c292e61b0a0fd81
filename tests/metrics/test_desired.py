"""How many workers a queue is said to need."""

from __future__ import annotations

from typing import Any

import pytest

from nexq.metrics.desired import Crew, Rates, crews
from nexq.states import JobState
from nexq.store import QueueView, WorkerView


def view(at_s: float, ready: int = 0, running: int = 0, paused: bool = False, **totals: int) -> QueueView:
    counts = dict.fromkeys(JobState, 0) | {JobState.READY: ready, JobState.RUNNING: running}
    return QueueView("q", at_s * 1000, counts, 1.0 if ready else None, {"reason": ""} if paused else None, totals)


def fed(crew: Crew, *views: QueueView) -> Rates:
    rates = Rates()
    for one in views:
        rates.feed(one, crew)
    return rates


def steady(arriving: int, ending: int, busy: int, crew: Crew, /, **last: Any) -> int:
    """The hint after minutes of the same load; `last`: what the newest view shows beside."""
    totals = [{"enqueued": arriving * 15 * i, "completed": ending * 15 * i} for i in range(40)]
    views = [view(15 * i, running=busy, **t) for i, t in enumerate(totals[:-1])]
    final = view(15 * 39, **{"running": busy, **last}, **totals[-1])
    return fed(crew, *views, final).desired(final, crew, target_lag_s=30)


def test_the_formula_with_figures_of_the_page() -> None:
    # Ten slots end 20 runs a second, so one ends 2. 50 a second come and 1,500 wait: 50 + 1,500 / 30 = 100 a second
    # are wanted, which 50 slots do; at 10 slots each that is 5 workers.
    assert steady(50, 20, 10, Crew(1, 10), ready=1500) == 5


def test_nothing_to_do_needs_nobody() -> None:
    assert steady(0, 0, 0, Crew(3, 30)) == 0


def test_what_comes_is_kept_up_with() -> None:
    assert steady(20, 20, 10, Crew(1, 10)) == 1
    assert steady(40, 20, 10, Crew(1, 10)) == 2


def test_running_jobs_keep_their_workers() -> None:
    assert steady(0, 0, 25, Crew(3, 30)) == 3


def test_a_paused_queue_asks_for_what_runs() -> None:
    assert steady(50, 20, 10, Crew(1, 10), ready=1500, running=4, paused=True) == 1
    assert steady(50, 20, 10, Crew(1, 10), ready=1500, running=0, paused=True) == 0


@pytest.mark.parametrize("crew", [Crew(), Crew(4, 40)])
def test_without_a_measured_rate_no_number_is_made_up(crew: Crew) -> None:
    first = view(0, ready=1_000_000)
    assert fed(crew, first).desired(first, crew) == max(1, crew.workers)


def test_jobs_too_short_to_be_seen_running() -> None:
    # 100 a second, none ever seen running: one worker does them, however many there are now.
    assert steady(100, 100, 0, Crew(8, 80), ready=0) == 1


def test_prefetched_jobs_are_no_busy_slots() -> None:
    # 500 are claimed, ten run: each of the ten slots ends 100 a second.
    assert steady(1000, 1000, 500, Crew(1, 10), running=0) == 1


def test_a_store_that_starts_over_is_no_negative_rate() -> None:
    rates = fed(
        Crew(1, 10), view(0, enqueued=100, completed=90), view(15, enqueued=200, completed=190), view(30, enqueued=5)
    )
    assert (rates.arriving, rates.ending) == (None, None)


def test_two_views_of_one_moment() -> None:
    rates = fed(Crew(1, 10), view(1, enqueued=10, completed=5), view(1, enqueued=20, completed=15))
    assert rates.arriving is None
    rates.feed(view(2, enqueued=30, completed=15), Crew(1, 10))
    assert (rates.arriving, rates.ending) == (20.0, 10.0)


def test_the_hint_has_a_ceiling() -> None:
    assert steady(1, 1, 10, Crew(1, 10), ready=10**12) == 10_000


def test_crews_are_those_who_claim() -> None:
    def worker(id: str, alive: bool = True, **info: Any) -> WorkerView:
        return WorkerView(id, alive, 0.0, info)

    found = crews(
        [
            worker("a", queues=["x", "y"], concurrency=10, state="running"),
            worker("b", queues=["x"], concurrency=30, state="running"),
            worker("draining", queues=["x"], concurrency=10, state="draining"),
            worker("gone", alive=False, queues=["x"], concurrency=10, state="running"),
            worker("odd", state="running"),
        ]
    )
    assert found == {"x": Crew(2, 40), "y": Crew(1, 10)}
