"""What holds of every queue at every moment, and from one moment to the next."""

from __future__ import annotations

from nexq.job import Run, Spec
from tests.contract.bench import State, only_states


def check_invariants(before: State, after: State) -> None:
    """Raises AssertionError for a state, or a change of state, that must never be."""
    jobs, runs = after.get("jobs", {}), after.get("runs", {})
    sets = only_states(after)
    standing = [id for members in sets.values() for id in members]
    assert sorted(standing) == sorted(jobs), "each job stands in exactly one set, and nothing else stands there"
    assert set(runs) <= set(jobs), "a run record belongs to a job"
    assert set(after.get("running", {})) <= set(runs), "a running job has a run record"
    assert set(after.get("cancels", {})) <= set(after.get("running", {})), "only running jobs are asked to cancel"
    assert not set(after.get("tombs", {})) & set(jobs), "a tombstone's id is no job"
    assert set(after.get("journal", {})) <= set(jobs), "what was reported belongs to a job"
    assert set(after.get("results", {})) <= set(after.get("completed", {})), "only completed jobs have a result"
    _check_unique(after)
    _check_ready(after)
    for name in ("now_ms", "ready_ms", "token"):
        assert before.get("queue", {}).get(name, 0) <= after.get("queue", {}).get(name, 0), f"{name} ran back"
    for id in set(before.get("runs", {})) & set(runs):
        old, new = Run.unpack(before["runs"][id]), Run.unpack(runs[id])
        assert old.token <= new.token, f"the token of {id} fell"
        assert old.delivery <= new.delivery, f"the deliveries of {id} fell"
    tokens = [Run.unpack(raw).token for raw in runs.values()]
    assert len(set(tokens)) == len(tokens), "two jobs have one token"
    assert max(tokens, default=0) <= after.get("queue", {}).get("token", 0), "a token nobody issued"
    totals = after.get("queue", {})
    assert totals.get("enqueued_total", 0) - totals.get("deleted_total", 0) == len(jobs), "a job was lost or doubled"


def _check_unique(after: State) -> None:
    ended = {id for name in ("completed", "dead", "cancelled") for id in after.get(name, {})}
    keys = {id: Spec.unpack(raw).unique for id, raw in after.get("jobs", {}).items()}
    live = {key: id.encode() for id, key in keys.items() if key and id not in ended}
    assert after.get("unique", {}) == live, "unique keys are those of the live unique jobs"


def _check_ready(after: State) -> None:
    scores = [s for name, members in after.items() if name.startswith("ready:") for s in members.values()]
    assert len(set(scores)) == len(scores), "two ready jobs have one place"
    for name, members in after.items():
        if name.startswith("ready:"):
            for id in members:
                assert Spec.unpack(after["jobs"][id]).priority == int(name[6:]), f"{id} stands at another priority"
    for name in ("completed", "dead", "cancelled"):
        for id, score in after.get(name, {}).items():
            assert score <= after["queue"]["now_ms"], f"{id} ended in the future"
