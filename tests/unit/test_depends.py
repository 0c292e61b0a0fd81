"""The words of depends.py by themselves; what they do in a worker is in tests/worker/test_depends.py."""

from __future__ import annotations

import logging

import pytest

from nexq import CONTEXT, Context, Depends
from nexq.depends import Dependency, JobInfo


def make(attempt: int = 1, max_attempts: int = 3) -> Context:
    log = logging.LoggerAdapter(logging.getLogger("t"), {})
    return Context(JobInfo("id", "t", "q", 5, 0), attempt, max_attempts, 1, 1, None, log)


def test_depends_is_a_wish() -> None:
    assert Depends(dict) == Dependency(dict, "job")
    assert Depends(dict, scope="worker") == Dependency(dict, "worker")


def test_the_default_context_says_what_it_is() -> None:
    assert repr(CONTEXT) == "CONTEXT"


@pytest.mark.parametrize(("attempt", "most", "last"), [(1, 3, False), (3, 3, True), (4, 3, True), (1, 1, True)])
def test_the_last_attempt(attempt: int, most: int, last: bool) -> None:
    assert make(attempt, most).last_attempt is last


def test_contexts_do_not_share_their_stop() -> None:
    first, second = make(), make()
    first._cancelled.set()
    assert (first.cancelled, second.cancelled) == (True, False)
