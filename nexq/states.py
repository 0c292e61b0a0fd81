"""The states of a job. Membership is the state: each is one sorted set (ready: one per priority)."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    """Where a job stands."""

    #: Waits for other jobs. Leaves when the last of them has ended.
    BLOCKED = "blocked"
    #: Due later: enqueued with a delay, or snoozed. Leaves by promotion when due, or by hand.
    SCHEDULED = "scheduled"
    #: May run now. Leaves when a worker claims it, highest priority first, then in order of arrival.
    READY = "ready"
    #: A worker holds its lease. Leaves when that worker settles it, or when the lease runs out.
    RUNNING = "running"
    #: Failed with attempts left; due later. Leaves by promotion when due, or by hand.
    RETRYING = "retrying"
    #: Done. Its result is kept until its retention is over.
    COMPLETED = "completed"
    #: Out of attempts, buried on purpose, or its workers kept dying. Kept until revived or pruned.
    DEAD = "dead"
    #: Ended by a request, not by its own doing.
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job will not move again by itself."""
        return self in TERMINAL


TERMINAL = frozenset({JobState.COMPLETED, JobState.DEAD, JobState.CANCELLED})
WAITING = frozenset({JobState.BLOCKED, JobState.SCHEDULED, JobState.READY, JobState.RETRYING})
#: The states that are one sorted set each; ready jobs stand in one set per priority.
SINGLE_SET = tuple(s for s in JobState if s is not JobState.READY)

PRIORITIES = range(10)
PRIORITY_NAMES = {"low": 1, "normal": 5, "high": 9}
DEFAULT_PRIORITY = 5
