"""Views: what can be seen of the jobs, and that looking changes nothing."""

from __future__ import annotations

import pytest

from nexq.errors import JobNotFound
from nexq.job import Run
from nexq.states import SINGLE_SET, JobState
from tests.contract.bench import LEASE, T0, Bench

ENDED = [JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED]
REACHABLE = [s for s in JobState if s is not JobState.BLOCKED]


async def _complete(store: Bench, *ids: str) -> None:
    await store.add(*ids)
    await store.complete(*await store.claim(len(ids)))


@pytest.mark.parametrize("state", REACHABLE)
async def test_a_job_is_seen_in_its_state(store: Bench, state: JobState) -> None:
    await store.to_state("a", state.value, payload=b"[1]", priority=3, result=b'"r"')
    record = await store.views.get("mail", "a")
    assert (record.id, record.queue, record.state, record.spec.type) == ("a", "mail", state, "t")
    assert (record.payload, record.spec.priority) == ([1], 3)
    assert record.result == (b'"r"' if state is JobState.COMPLETED else None)
    due = T0 + LEASE / 2 if state in (JobState.SCHEDULED, JobState.RETRYING, JobState.RUNNING) else T0
    assert record.score_ms == due
    shown = record.as_dict()
    assert shown["state"] == state.value
    assert ("due_ms" in shown, "lease_until_ms" in shown, "ended_ms" in shown) == (
        state in (JobState.SCHEDULED, JobState.RETRYING),
        state is JobState.RUNNING,
        state in ENDED,
    )


async def test_a_job_never_claimed_has_an_empty_run(store: Bench) -> None:
    await store.add("a")
    record = await store.views.get("mail", "a")
    assert (record.run, record.attempts, record.result, record.cancel_requested) == (Run(), (), None, False)


async def test_a_job_that_is_not_there_is_not_found(store: Bench) -> None:
    with pytest.raises(JobNotFound):
        await store.views.get("mail", "ghost")
    await store.add("a")
    got = await store.views.get_many("mail", ["x", "a", "y", "a"])
    assert [r and r.id for r in got] == [None, "a", None, "a"]
    assert await store.views.get_many("mail", []) == []


async def test_a_job_is_found_whatever_queue_it_is_in(store: Bench) -> None:
    for queue in ("one", "two"):
        await store.members.register(queue)
    await store.add("a", queue="two")
    assert (await store.views.find("a")).queue == "two"
    assert (await store.views.find("a", ["two"])).queue == "two"
    with pytest.raises(JobNotFound):
        await store.views.find("a", ["one"])
    with pytest.raises(JobNotFound):
        await store.views.find("ghost")


async def test_a_queue_counts_its_jobs_by_state(store: Bench) -> None:
    for i, state in enumerate(REACHABLE):
        for j in range(i + 1):
            await store.to_state(f"{state.value}{j}", state.value, priority=j % 10)
    await store.plant("blocked", "b", T0)
    view = await store.views.queue("mail")
    assert view.counts == {JobState.BLOCKED: 1, **{s: i + 1 for i, s in enumerate(REACHABLE)}}
    assert (view.name, view.now_ms) == ("mail", T0)
    assert view.as_dict()["counts"]["ready"] == view.counts[JobState.READY]


async def test_an_unknown_queue_is_seen_as_empty(store: Bench) -> None:
    view = await store.views.queue("nobody")
    assert (set(view.counts.values()), view.lag_s, view.paused, view.totals) == ({0}, None, None, {})
    assert await store.dump("nobody") == {}


async def test_the_lag_is_the_age_of_the_oldest_ready_job_of_any_priority(store: Bench) -> None:
    assert (await store.views.queue("mail")).lag_s is None
    await store.add("a", priority=1)
    store.at(1000)
    await store.add("b", priority=9)
    store.at(2500)
    assert (await store.views.queue("mail")).lag_s == 2.5
    await store.moves.delete("mail", "a")
    assert (await store.views.queue("mail")).lag_s == 1.5


@pytest.mark.parametrize("newest", [True, False])
async def test_pages_follow_each_other_without_gap_or_repeat(store: Bench, newest: bool) -> None:
    for i in range(7):
        store.at(i // 2)
        await _complete(store, f"j{i}")
    seen: list[str] = []
    after = ("", "")
    while page := await store.views.page("mail", JobState.COMPLETED, limit=3, newest=newest, after=after):
        assert len(page) <= 3
        seen += [id for id, _ in page]
        after = page[-1]
    assert seen == [f"j{i}" for i in range(7)][:: -1 if newest else 1]


@pytest.mark.parametrize("state", SINGLE_SET)
async def test_every_state_can_be_paged(store: Bench, state: JobState) -> None:
    for i in range(3):
        await store.plant(state.value, f"j{i}", T0 + i)
    page = await store.views.page("mail", state, newest=False)
    assert [(id, float(score)) for id, score in page] == [(f"j{i}", T0 + i) for i in range(3)]


async def test_ready_jobs_are_paged_by_priority(store: Bench) -> None:
    await store.add("a", priority=2)
    await store.add("b", priority=9)
    assert [id for id, _ in await store.views.page("mail", JobState.READY, priority=9)] == ["b"]


@pytest.mark.parametrize("newest", [True, False])
async def test_a_page_goes_on_where_the_last_one_ended_also_when_that_job_has_left(store: Bench, newest: bool) -> None:
    for i in range(6):
        store.at(i)
        await _complete(store, f"j{i}")
    first = await store.views.page("mail", JobState.COMPLETED, limit=2, newest=newest)
    await store.moves.delete("mail", first[-1][0])
    second = await store.views.page("mail", JobState.COMPLETED, limit=2, newest=newest, after=first[-1])
    assert [id for id, _ in second] == (["j3", "j2"] if newest else ["j2", "j3"])


@pytest.mark.parametrize("newest", [True, False])
async def test_no_job_is_skipped_when_the_last_one_has_left_and_many_ended_in_the_same_instant(
    store: Bench, newest: bool
) -> None:
    """A loop that revives or deletes what it walks over takes the cursor's job away after each page."""
    ids = {f"j{i}" for i in range(6)}
    await _complete(store, *sorted(ids))
    seen: set[str] = set()
    after = ("", "")
    while page := await store.views.page("mail", JobState.COMPLETED, limit=2, newest=newest, after=after):
        for id, _ in page:
            seen.add(id)
            await store.moves.delete("mail", id)
        after = page[-1]
    assert seen == ids


async def test_walking_gives_every_job_of_a_state_once(store: Bench) -> None:
    ids = [f"j{i:03}" for i in range(250)]
    await _complete(store, *ids)
    assert [r.id async for r in store.views.walk("mail", JobState.COMPLETED)] == ids[::-1]
    assert [r.id async for r in store.views.walk("mail", JobState.COMPLETED, newest=False)] == ids


async def test_walking_the_ready_jobs_follows_the_order_in_which_they_are_claimed(store: Bench) -> None:
    for i in range(30):
        await store.add(f"j{i:02}", priority=i % 10)
    walked = [r.id async for r in store.views.walk("mail", JobState.READY)]
    assert walked == [c.id.decode() for c in await store.claim(30)]


async def test_walking_while_reviving_misses_none(store: Bench) -> None:
    await store.add(*(f"j{i:03}" for i in range(250)))
    await store.settle("bury", *await store.claim(250))
    async for record in store.views.walk("mail", JobState.DEAD):
        await store.moves.revive("mail", record.id)
    assert (await store.views.queue("mail")).counts[JobState.READY] == 250


async def test_looking_changes_nothing(store: Bench) -> None:
    await store.to_state("a", "running")
    before = await store.dump()
    store.at(99 * LEASE)
    await store.views.get("mail", "a")
    await store.views.queue("mail")
    await store.views.page("mail", JobState.RUNNING)
    await store.views.directory()
    assert await store.dump() == before
