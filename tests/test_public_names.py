"""The public names: a change here is a change that users see."""

from __future__ import annotations

import inspect

import nexq

NAMES = [
    "CONTEXT",
    "Bury",
    "Cancel",
    "Context",
    "Depends",
    "Failure",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobState",
    "Module",
    "Nexq",
    "NexqError",
    "Retry",
    "Snooze",
    "__version__",
]

#: What an app, a handler and a job have.
APP = ["aclose", "enqueue", "enqueue_many", "handler", "include", "job", "run_worker", "store", "sync", "worker"]
HANDLER = ["bind", "enqueue", "name", "options", "sync"]
JOB = ["cancel", "duplicate", "id", "queue", "refresh", "result", "revive", "run_now", "state", "warning"]


def test_the_names_are_these() -> None:
    assert nexq.__all__ == NAMES
    for name in NAMES:
        assert getattr(nexq, name) is not None


def test_what_is_public_says_what_it_is_for() -> None:
    for name in NAMES:
        thing = getattr(nexq, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), name


def test_the_methods_that_users_call_are_there() -> None:
    from nexq.app import Handler

    for kind, names in ((nexq.Nexq, APP), (Handler, HANDLER), (nexq.Job, JOB)):
        for name in names:
            assert hasattr(kind, name), f"{kind.__name__}.{name}"
