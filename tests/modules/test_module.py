"""The Module object, apps that include it, and failures that say how to go on."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from nexq import Failure, JobState, Module, Nexq, Retry
from nexq.errors import ConfigError, InvalidName
from nexq.modules import module_in
from tests.modules import own_process
from tests.modules.conftest import outcome


def make(name: str = "own") -> tuple[Module, Any]:
    module = Module(name)

    @module.handler("greet", queue="hellos", priority="high", retry=Retry(max_attempts=2))
    async def greet(name: str = "world") -> str:
        return f"Hello, {name}"

    return module, greet


async def test_a_module_gives_its_handlers_to_an_app() -> None:
    module, greet = make()
    with pytest.raises(ConfigError, match="in no app"):
        await greet.enqueue(name="Ada")
    app = Nexq("memory://" + secrets.token_hex(6))
    app.include(module)
    spec = app.registry.get("own:greet")
    assert spec is not None and (spec.queue, spec.priority, spec.retry.max_attempts) == ("hellos", 9, 2)
    assert await greet("direct") == "Hello, direct"
    async with app.worker():
        assert await (await greet.enqueue(name="Ada")).result(10) == "Hello, Ada"
        assert await (await app.enqueue("own:greet", {"name": "Bob"})).result(10) == "Hello, Bob"

    # A handler that comes later is in too.
    @module.handler("late")
    async def late() -> int:
        return 1

    assert app.registry.get("own:late") is not None
    app.include(module)
    await app.aclose()


def test_names_and_doubles_are_refused() -> None:
    for name in ("", "a:b", "a b", "ä", "nexq", 7):
        with pytest.raises(ConfigError):
            Module(name)  # type: ignore[arg-type]
    module, _ = make()
    with pytest.raises(ConfigError, match="two handlers 'greet'"):
        module.handler("greet")(lambda: None)
    with pytest.raises(ConfigError, match="needs a name"):
        module.handler(make)  # type: ignore[arg-type]
    with pytest.raises(InvalidName):
        module.handler("a{b")
    app = Nexq("memory://" + secrets.token_hex(6))
    other, _ = make()

    @other.handler("more")
    async def more() -> None: ...

    @app.handler("own:more")
    async def taken() -> None: ...

    with pytest.raises(ConfigError, match="registered twice"):
        app.include(other)
    # All or none.
    assert app.registry.get("own:greet") is None
    with pytest.raises(ConfigError, match="Expected a nexq Module"):
        app.include(app)  # type: ignore[arg-type]


def test_the_one_module_of_a_python_module_is_found() -> None:
    assert module_in(own_process) is own_process.module
    assert module_in(own_process.module) is own_process.module
    with pytest.raises(ConfigError, match="it has none"):
        module_in(json)
    with pytest.raises(ConfigError, match="Expected a nexq Module"):
        module_in(7)


@pytest.mark.parametrize("mode", ["async", "process"])
async def test_a_failure_says_how_to_go_on(app: Nexq, mode: str) -> None:
    if mode == "process":
        app.include(own_process.module)
        type = "own-process:fail"
    else:
        type = "fail"

        @app.handler(type)
        async def fail(text: str, retry: bool = True, after: float | None = None) -> None:
            raise Failure(text, retry=retry, after=after)

    job = await outcome(app, type, {"text": "no use", "retry": False}, max_attempts=9)
    assert (job.state, len(job.attempts), job.last_error) == (JobState.DEAD, 1, "Failure: no use")
    assert job.attempts[0].error["traceback"] == ""
    job = await outcome(app, type, {"text": "last"}, max_attempts=1)
    assert job.state is JobState.DEAD
    async with app.worker(queues=["default"]):
        waiting = await app.enqueue(type, {"text": "later", "after": 500})
        from tests.worker.work import in_state

        record = await in_state(waiting, JobState.RETRYING)
        assert 490_000 < record.score_ms - record.attempts[0].ended_ms < 510_000
    with pytest.raises(ValueError, match="after"):
        Failure("x", after=-1)
