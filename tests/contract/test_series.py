"""What happened minute by minute: counted exactly, merged into coarser rows, bounded."""

from __future__ import annotations

import pytest

from nexq.errors import NexqError
from nexq.store.series import KEPT, Row, begins_ms, percentiles
from tests.contract.bench import T0, Bench

MINUTE = 60_000.0
#: T0 lies within a minute; the next one begins at this time.
START = MINUTE - T0 % MINUTE


def _minute(after_ms: float) -> int:
    return int((T0 + after_ms) // MINUTE)


async def _counts(store: Bench, step: int = 1) -> dict[int, list[int]]:
    rows = await store.views.series("mail", step, KEPT[step])  # type: ignore[arg-type,index]
    return {row.number: row.counts for row in rows}


async def test_a_queue_where_nothing_happened_has_no_rows(store: Bench) -> None:
    assert await store.views.series("mail", 1, 10) == []


async def test_moves_are_counted_in_their_minute(store: Bench) -> None:
    store.at(START)
    await store.add("a", "b", "c", "d")
    await store.complete(*await store.claim(1))
    store.at(START + MINUTE)
    await store.settle("retry", *await store.claim(1), delay_ms=1e6)
    await store.settle("bury", *await store.claim(1))
    store.at(START + 5 * MINUTE)
    await store.moves.cancel("mail", "d")
    first = _minute(START)
    assert await _counts(store) == {
        first: [4, 1, 0, 0, 0, 0],
        first + 1: [0, 0, 1, 1, 0, 0],
        first + 5: [0, 0, 0, 0, 1, 0],
    }


async def test_a_lost_claim_is_counted(store: Bench) -> None:
    await store.add("a")
    await store.claim(1)
    store.at(START + 10 * MINUTE)
    await store.moves.tidy("mail")
    assert (await _counts(store))[_minute(START + 10 * MINUTE)] == [0, 0, 0, 0, 0, 1]


async def test_a_move_after_the_minutes_end_counts_for_its_own(store: Bench) -> None:
    store.at(START + MINUTE - 0.5)
    await store.add("a")
    store.at(START + MINUTE)
    await store.add("b")
    assert [counts[0] for counts in (await _counts(store)).values()] == [1, 1]


async def test_the_depth_at_a_minutes_end_is_known(store: Bench) -> None:
    store.at(START)
    await store.add("a", "b", "c")
    await store.add("late", delay="1e6")
    await store.claim(1)
    store.at(START + MINUTE)
    await store.add("d")
    rows = await store.views.series("mail", 1, 10)
    # As the first move of the next minute finds it, itself included.
    assert rows[0].depths == [3, 1, 0, 1]
    assert rows[-1].depths == [None] * 4


@pytest.mark.parametrize("step", [10, 120])
async def test_coarser_rows_are_the_sums_of_the_minutes(store: Bench, step: int) -> None:
    total: dict[int, int] = {}
    for i in range(0, 260, 7):
        at = START + i * MINUTE
        store.at(at)
        await store.add(*(f"{i}-{n}" for n in range(1 + i % 3)))
        number = _minute(at) // step
        total[number] = total.get(number, 0) + 1 + i % 3
        assert {n: counts[0] for n, counts in (await _counts(store, step)).items()} == total


async def test_rows_are_bounded(store: Bench) -> None:
    for i in range(KEPT[1] + 30):
        store.at(START + i * MINUTE)
        await store.add(f"j{i}")
    rows = await store.views.series("mail", 1, 500)
    assert len(rows) == KEPT[1] + 1
    assert rows[-1].number == _minute(START + (KEPT[1] + 29) * MINUTE)
    assert sum(row.counts[0] for row in await store.views.series("mail", 120, 500)) == KEPT[1] + 30


async def test_lateness_is_counted_from_the_due_time(store: Bench) -> None:
    await store.add("now")
    await store.add("later", delay="700")
    store.at(1000)
    await store.claim(2)
    (row,) = await store.views.series("mail", 1, 10)
    low, high = sorted(row.lateness)
    assert begins_ms(low) <= 300 < begins_ms(low + 1)
    assert begins_ms(high) <= 1000 < begins_ms(high + 1)
    assert row.lateness == {low: 1, high: 1}


async def test_every_start_is_counted_also_in_large_claims(store: Bench) -> None:
    for i in range(40):
        store.at(i * 10)
        await store.add(f"j{i}")
    store.at(400)
    await store.claim(37)
    (row,) = await store.views.series("mail", 1, 10)
    assert sum(row.lateness.values()) == 37
    p0, p100 = percentiles(row.lateness, (0.0, 1.0))
    assert p0 is not None and p100 is not None
    assert 25 <= p0 <= 40 and 400 <= p100 <= 600


async def test_measured_runs_stand_for_all(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    await store.exchange(completed=[a.id, a.token, b""], took="10 1000 2000000")
    (row,) = await store.views.series("mail", 1, 10)
    assert sum(row.runs.values()) == 10
    p10, p90 = percentiles(row.runs, (0.1, 0.9))
    assert p10 is not None and p90 is not None
    assert 0.7 < p10 < 1.1 and 1400 < p90 < 2900


async def test_a_run_that_nobody_measured_took_from_claim_to_outcome(store: Bench) -> None:
    await store.add("a")
    (a,) = await store.claim()
    store.at(3000)
    await store.complete(a)
    (row,) = await store.views.series("mail", 1, 10)
    (bucket,) = row.runs
    assert begins_ms(bucket) <= 3000 < begins_ms(bucket + 1)


async def test_a_repeated_exchange_counts_nothing_twice(store: Bench) -> None:
    await store.add("a", "b")
    (a,) = await store.claim()
    for _ in range(2):
        await store.exchange(completed=[a.id, a.token, b""], took="1 1000", limit=1, nonce="again")
    (row,) = await store.views.series("mail", 1, 10)
    assert row.counts[1] == sum(row.runs.values()) == 1
    assert sum(row.lateness.values()) == 2


@pytest.mark.parametrize("took", ["x", "1 2 -3", "1;2"])
async def test_a_bad_measure_is_refused(store: Bench, took: str) -> None:
    with pytest.raises(NexqError):
        await store.exchange(took=took)


def test_buckets_are_the_same_here_and_there() -> None:
    row = Row.unpack(b"5 1 2 3 4 5 6|7 - 0 1|3:4 10:1|")
    assert (row.number, row.counts, row.depths) == (5, [1, 2, 3, 4, 5, 6], [7, None, 0, 1])
    assert (row.lateness, row.runs) == ({3: 4, 10: 1}, {})
    assert percentiles({}, (0.5,)) == [None]
