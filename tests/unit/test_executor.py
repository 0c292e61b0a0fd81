"""The executor alone: a claim in, an outcome out, whatever the handler does."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from nexq.ids import encode7
from nexq.job import Spec
from nexq.outcome import DONE, Outcome
from nexq.registry import HandlerSpec, Registry, make_spec
from nexq.retry import Retry
from nexq.store.moves import Claim
from nexq.worker.executor import RESULT_BYTES, Executor
from nexq.worker.failure import MESSAGE_CHARS, TRACEBACK_CHARS, describe
from nexq.worker.running import Running


def handler(fn: Callable[..., Any], **changes: Any) -> HandlerSpec:
    asked = {"queue": "q", "priority": 5, "timeout_s": None, "retry": Retry(max_attempts=3), "mode": None}
    return make_spec("h", fn, **{**asked, "max_lost": 3, **changes})


def running(payload: bytes = b"{}", counts: bytes = b"", type: str = "h", **options: Any) -> Running:
    spec = b"0000000" + Spec(type, payload, options=options).pack()
    return Running("q", Claim(b"id", spec, 7, counts))


async def run(spec: HandlerSpec, job: Running) -> Outcome:
    registry = Registry()
    registry.add(spec)
    executor = Executor(registry)
    try:
        return await asyncio.wait_for(executor.run(job), 20)
    finally:
        await executor.aclose()


def detail(outcome: Outcome) -> dict[str, Any]:
    return dict(json.loads(outcome.detail))


@pytest.mark.parametrize(
    ("waited_s", "counts", "runs"),
    [(5.0, b"", True), (60.0, b"", False), (60.0, b"1 2 1", False), (60.0, b"2 2 0", True)],
)
async def test_a_job_that_was_not_begun_in_time_is_cancelled_one_that_was_goes_on(
    waited_s: float, counts: bytes, runs: bool
) -> None:
    ran = []

    async def note() -> None:
        ran.append(True)

    job = running(counts=counts, expires_s=30.0)
    job.claim.spec = encode7(int((time.time() - waited_s) * 1000)).encode() + job.claim.spec[7:]
    outcome = await run(handler(note), job)
    assert bool(ran) is runs
    if not runs:
        assert outcome.kind == "cancel"
        assert detail(outcome) == {"type": "Expired", "message": "not begun within 30 s of its enqueue"}


async def test_a_value_becomes_json_and_none_becomes_done() -> None:
    async def value() -> dict[str, int]:
        return {"a": 1}

    async def none() -> None: ...

    assert await run(handler(value), running()) == Outcome("complete", b'{"a":1}')
    assert await run(handler(none), running()) is DONE
    # A payload of null is a call without arguments; null as a result is a result.
    assert await run(handler(none), running(b"null")) is DONE


@pytest.mark.parametrize(
    ("counts", "options", "kind"),
    [
        (b"", {}, "retry"),
        (b"2 2 0", {}, "retry"),
        (b"3 3 0", {}, "bury"),
        (b"3 9 6", {}, "bury"),
        (b"1 9 8", {}, "retry"),
        (b"3 3 0", {"max_attempts": 4}, "retry"),
        (b"", {"max_attempts": 1}, "bury"),
        (b"9 9 0", {"max_attempts": 2}, "bury"),
    ],
)
async def test_attempts_decide_and_deliveries_do_not(counts: bytes, options: dict[str, Any], kind: str) -> None:
    async def fail() -> None:
        raise ValueError("no")

    outcome = await run(handler(fail), running(counts=counts, **options))
    assert outcome.kind == kind
    assert (outcome.delay_s > 0) == (kind == "retry")
    assert detail(outcome)["message"] == "no"


@pytest.mark.parametrize("payload", [b'{"n":"x"}', b"{}", b'{"n":1,"m":2}', b'"x"', b"{broken", b"[1", b"\xff"])
async def test_a_payload_that_does_not_fit_is_never_tried_again(payload: bytes) -> None:
    async def take(n: int) -> None: ...

    outcome = await run(handler(take), running(payload))
    assert outcome.kind in ("bury", "retry")
    if payload.startswith(b"{"):
        assert (outcome.kind, detail(outcome)["type"]) == ("bury", "InvalidPayload")


async def test_an_unknown_type_is_released_with_a_delay() -> None:
    async def known() -> None: ...

    outcome = await run(handler(known), running(type="other"))
    assert (outcome.kind, outcome.delay_s) == ("release", 5.0)
    assert detail(outcome)["type"] == "UnknownHandler"


@pytest.mark.parametrize(("why", "kind"), [("cancel", "cancel"), ("shutdown", "release"), ("lost", "release")])
async def test_a_job_that_is_stopped_is_no_failure(why: Any, kind: str) -> None:
    began = asyncio.Event()

    async def wait() -> None:
        began.set()
        await asyncio.sleep(60)

    registry = Registry()
    registry.add(handler(wait))
    executor, job = Executor(registry), running()
    job.task = asyncio.create_task(executor.run(job))
    await began.wait()
    job.ask_to_stop(why)
    assert (await job.task).kind == kind
    assert job.cancelled.is_set()
    await executor.aclose()


async def test_the_largest_result_and_one_more() -> None:
    async def give(n: int) -> str:
        return "x" * n

    most = RESULT_BYTES - 2
    assert (await run(handler(give), running(b"%d" % most))).kind == "complete"
    outcome = await run(handler(give), running(b"%d" % (most + 1)))
    assert outcome.kind == "bury"
    assert "1,048,577 bytes" in detail(outcome)["message"]


async def test_thread_calls_see_the_context_variables_and_do_not_leak_into_the_loop() -> None:
    from contextvars import ContextVar

    variable = ContextVar("variable", default="outside")

    def change() -> str:
        before = variable.get()
        variable.set("inside")
        return before

    variable.set("caller")
    assert (await run(handler(change), running())).result == b'"caller"'
    assert variable.get() == "caller"


def test_an_error_is_described_within_bounds() -> None:
    class Odd(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def deep(n: int) -> None:
        if n:
            deep(n - 1) if n % 2 else (lambda: deep(n - 1))()
        raise ValueError("\ud800" + "y" * 10_000)

    try:
        deep(200)
    except ValueError as error:
        told = json.loads(describe(error))
    assert told["type"] == "ValueError"
    assert told["message"].startswith("\\ud800yyy")
    assert len(told["message"]) < MESSAGE_CHARS + 10
    assert len(told["traceback"]) <= TRACEBACK_CHARS + 10
    assert json.loads(describe(Odd()))["message"] == "<its text cannot be had: RuntimeError>"
