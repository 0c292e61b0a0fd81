"""OpenTelemetry: the producer's span, the consumer's, and what joins them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from nexq import Context, Nexq, Retry, Snooze, otel
from nexq.errors import ConfigError
from nexq.job import Spec
from tests.worker.work import ended, working

pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The finished spans of a provider of this test's own."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(otel, "tracer", provider.get_tracer("nexq"))
    yield exporter
    provider.shutdown()


@pytest.fixture
def app(runner: asyncio.Runner) -> Iterator[Nexq]:
    app = Nexq(f"memory://otel{time.monotonic_ns()}")
    yield app
    runner.run(app.aclose())


def of(spans: Any, name: str) -> list[Any]:
    return [s for s in spans.get_finished_spans() if s.name == name]


async def test_a_run_is_a_child_of_its_enqueue(app: Nexq, spans: Any) -> None:
    from opentelemetry import trace

    inside: list[int] = []

    @app.handler(queue="mail")
    async def well(word: str) -> None:
        inside.append(trace.get_current_span().get_span_context().span_id)

    @app.handler(queue="mail")
    def thread(ctx: Context) -> None:
        inside.append(trace.get_current_span().get_span_context().span_id)

    async with working(app):
        with otel.tracer.start_as_current_span("request") as request:
            jobs = [await well.enqueue("x"), await thread.enqueue()]
        for job in jobs:
            await ended(job)

    created = {s.attributes["messaging.message.id"]: s for s in of(spans, "create mail")}
    for job, processed in ((j, p) for j in jobs for p in of(spans, "process mail")):
        if processed.attributes["messaging.message.id"] != job.id:
            continue
        assert processed.parent.span_id == created[job.id].context.span_id
        assert created[job.id].parent.span_id == request.get_span_context().span_id
        assert processed.context.trace_id == request.get_span_context().trace_id
        assert not processed.links
        assert (processed.kind, created[job.id].kind) == (trace.SpanKind.CONSUMER, trace.SpanKind.PRODUCER)
    assert sorted(inside) == sorted(p.context.span_id for p in of(spans, "process mail"))
    attributes = dict(of(spans, "process mail")[0].attributes)
    assert (
        attributes.items()
        >= {
            "messaging.system": "nexq",
            "messaging.operation.type": "process",
            "messaging.destination.name": "mail",
            "nexq.attempt": 1,
            "nexq.outcome": "complete",
        }.items()
    )


async def test_delayed_and_repeated_runs_are_linked(app: Nexq, spans: Any) -> None:
    from opentelemetry import trace

    @app.handler(queue="later")
    async def well() -> None: ...

    @app.handler(queue="again", retry=Retry(max_attempts=2, base=0.001))
    async def fail() -> None:
        raise ValueError("canary")

    async with working(app):
        for job in (await well.options(delay=0.01).enqueue(), await fail.enqueue()):
            await ended(job)

    (made,), (run,) = of(spans, "create later"), of(spans, "process later")
    assert run.parent is None and [link.context.span_id for link in run.links] == [made.context.span_id]
    assert run.context.trace_id != made.context.trace_id
    (made,), (first, second) = of(spans, "create again"), of(spans, "process again")
    assert first.parent.span_id == made.context.span_id and not first.links
    assert second.parent is None and [link.context.span_id for link in second.links] == [made.context.span_id]
    assert [s.attributes["nexq.outcome"] for s in (first, second)] == ["retry", "bury"]
    assert [s.attributes["nexq.attempt"] for s in (first, second)] == [1, 2]
    for span in (first, second):
        assert span.attributes["error.type"] == "ValueError"
        assert span.status.status_code is trace.StatusCode.ERROR
        assert "canary" not in span.to_json()


async def test_jobs_of_those_who_do_not_trace(app: Nexq, spans: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    @app.handler
    async def well() -> Snooze | None: ...

    tracer = otel.tracer
    monkeypatch.setattr(otel, "tracer", None)
    job = await well.enqueue()
    assert (await job.refresh()).spec.options == {}
    monkeypatch.setattr(otel, "tracer", tracer)
    async with working(app):
        await ended(job)
    (run,) = of(spans, "process default")
    assert run.parent is None and not run.links


async def test_many_at_once_have_a_span_each(app: Nexq, spans: Any) -> None:
    @app.handler
    async def well(n: int) -> None: ...

    jobs = await app.enqueue_many(well.bind(n) for n in range(3))
    carried = [(await job.refresh()).spec.options[otel.PARENT].split("-")[2] for job in jobs]
    assert carried == [f"{s.context.span_id:016x}" for s in of(spans, "create default")]


@pytest.mark.parametrize("parent", ["", "junk", "00-0-0-00", 7, None])
async def test_a_damaged_parent_is_none(parent: Any, spans: Any) -> None:
    spec = Spec("t", b"{}", options={otel.PARENT: parent})
    with otel.process("q", "id", spec, "w", 1, False):
        pass
    with otel.process("q", "id", spec, "w", 2, True):
        pass
    assert all(s.parent is None and not s.links for s in of(spans, "process q"))


def test_two_requests_are_the_same_but_for_their_trace(spans: Any) -> None:
    packed = [Spec("t", b"{}", 5, options=otel.create("t", "q", "id", later=True)).pack() for _ in range(2)]
    assert packed[0] != packed[1]
    assert otel.untraced(packed[0]) == otel.untraced(packed[1]) == Spec("t", b"{}", 5).pack()


def test_the_setting_turns_it_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otel, "tracer", None)
    Nexq("memory://otel-off")
    assert otel.tracer is None
    monkeypatch.setenv("NEXQ_OTEL", "1")
    Nexq("memory://otel-on")
    assert otel.tracer is not None
    otel.disable()
    assert otel.tracer is None


def test_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    with pytest.raises(ConfigError, match=r"nexq\[otel\]"):
        otel.enable()


def test_nothing_is_imported_while_it_is_off() -> None:
    import subprocess

    code = (
        "import nexq, sys; nexq.Nexq('memory://x'); sys.exit(any(m.startswith('opentelemetry') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
