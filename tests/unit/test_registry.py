"""Handlers by name: what may be registered, and how."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from nexq import Nexq, Retry
from nexq.errors import ConfigError, InvalidName
from nexq.registry import priority_of
from nexq.worker.settings import WorkerSettings, new_worker_id


@pytest.fixture
def app() -> Nexq:
    return Nexq("memory://registry")


async def good(a: int) -> int:
    """Says a word.

    And another.
    """
    return a


def sync(a: int) -> int:
    return a


async def generating() -> AsyncIterator[int]:
    yield 1


def generating_sync() -> Iterator[int]:
    yield 1


#: A digit to str.isdigit, none to int.
SQUARED = pytest.param("²")
#: It has no name by which a child could find it.
LAMBDA = pytest.param(
    lambda a: a,
    {"mode": "process"},
    "top of its module",
)


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (9, 9), ("low", 1), ("normal", 5), ("high", 9), ("7", 7)])
def test_priorities(value: Any, expected: int) -> None:
    assert priority_of(value) == expected


@pytest.mark.parametrize("value", [-1, 10, 5.0, True, None, "urgent", "", "-1", SQUARED])
def test_what_is_no_priority(value: Any) -> None:
    with pytest.raises(ConfigError):
        priority_of(value)


@pytest.mark.parametrize(
    ("fn", "options", "words"),
    [
        (good, {"mode": "thread"}, "not in a thread"),
        (sync, {"mode": "async"}, "needs an `async def`"),
        (sync, {"mode": "fiber"}, "async, thread or process"),
        (generating, {}, "generator"),
        (generating_sync, {}, "generator"),
        LAMBDA,
        (good, {"max_deliveries": 10}, "max_deliveries"),
        (good, {"priority": "urgent"}, "priority"),
    ],
)
def test_what_cannot_be_a_handler(app: Nexq, fn: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        app.handler("h", **options)(fn)
    assert len(app.registry) == 0


def test_names_that_are_not_allowed(app: Nexq) -> None:
    for name in ("", "a{b}", "x" * 201, "a\nb"):
        with pytest.raises(InvalidName):
            app.handler(name)(good)
    with pytest.raises(InvalidName):
        app.handler("h", queue="a b")(good)


def test_a_name_is_registered_once(app: Nexq) -> None:
    app.handler("h")(good)
    # The same function again, as when a module is read twice.
    app.handler("h")(good)
    with pytest.raises(ConfigError, match=r"registered twice: .*good.* and .*sync"):
        app.handler("h")(sync)


def test_what_is_published(app: Nexq) -> None:
    handler = app.handler("h", queue="q", priority=7, timeout=5, retry=Retry(max_attempts=2))(good)
    about = json.loads(handler.spec.about())
    schema = about.pop("schema")
    assert about == {
        "queue": "q",
        "priority": 7,
        "timeout_s": 5.0,
        "max_attempts": 2,
        "mode": "async",
        "doc": "Says a word.\n\nAnd another.",
    }
    assert (schema["required"], schema["additionalProperties"]) == (["a"], False)


def test_a_handler_is_still_its_function(app: Nexq) -> None:
    handler = app.handler("h", queue="q")(sync)
    assert (handler(3), handler.name, handler.__name__) == (3, "h", "sync")
    assert repr(handler) == "<Handler 'h' on queue 'q'>"
    assert app.registry.queues() == ["q"]


@pytest.mark.parametrize(
    "changes",
    [
        {"queues": ()},
        {"concurrency": 0},
        {"concurrency": 10_001},
        {"lease_s": 0.05},
        {"grace_s": -1},
        {"watchdog_s": 0.5},
        {"id": "a b"},
    ],
)
def test_worker_settings_that_make_no_sense(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        WorkerSettings(**changes)


def test_worker_ids_are_usable_and_differ() -> None:
    ids = {new_worker_id() for _ in range(50)}
    assert len(ids) == 50
    for id in ids:
        assert WorkerSettings(id=id).id == id
