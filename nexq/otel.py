"""OpenTelemetry, where it is asked for (`NEXQ_OTEL=1`) and installed (`nexq[otel]`): spans from enqueue to handler.

An enqueue makes a producer span and the job carries its `traceparent`. A run makes a consumer span around the handler:
a child of the producer's when the job was to run at once and runs for the first time, else a new trace that is linked
to it, so that no trace is open for days. Where spans go says the application, by the SDK.

Nothing of OpenTelemetry is imported before `enable()`, and as long as `tracer` is None nobody calls in here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import orjson

from nexq.errors import ConfigError
from nexq.job import Spec
from nexq.outcome import Outcome

#: Options of a job: the producer's span (W3C), and whether the job was to run later.
PARENT, LATER = "traceparent", "trace_later"

#: The tracer, None while tracing is off.
tracer: Any = None


def enable() -> None:
    """Trace from now on, in this process. Raises ConfigError where OpenTelemetry is not installed."""
    global tracer
    try:
        tracer = import_module("opentelemetry.trace").get_tracer("nexq")
    except ImportError:
        raise ConfigError("NEXQ_OTEL is set, but OpenTelemetry is not installed: pip install 'nexq[otel]'.") from None


def disable() -> None:
    """Trace no more."""
    global tracer
    tracer = None


def create(type: str, queue: str, id: str, *, later: bool) -> dict[str, Any]:
    """The producer's span of a new job. Returns what the job's options carry of it: nothing without a SDK."""
    trace = import_module("opentelemetry.trace")
    attributes = _attributes("create", queue, id, type)
    carrier: dict[str, Any] = {}
    with tracer.start_as_current_span(f"create {queue}", kind=trace.SpanKind.PRODUCER, attributes=attributes):
        _propagator().inject(carrier)
    found = {PARENT: carrier[PARENT]} if PARENT in carrier else {}
    return found | {LATER: True} if found and later else found


@contextmanager
def process(queue: str, id: str, spec: Spec, worker: str, attempt: int, again: bool) -> Iterator[Consumed]:
    """The consumer's span, current while the block lasts. `again`: the job was claimed before."""
    trace = import_module("opentelemetry.trace")
    attributes = _attributes("process", queue, id, spec.type)
    attributes |= {"messaging.client.id": worker, "nexq.attempt": attempt}
    context, links = None, []
    if PARENT in spec.options:
        # An empty context of its own: what is current in the worker's loop is no parent.
        origin = _propagator().extract({PARENT: str(spec.options[PARENT])}, context=_empty())
        span_context = trace.get_current_span(origin).get_span_context()
        if again or spec.options.get(LATER):
            links = [trace.Link(span_context)] if span_context.is_valid else []
        else:
            context = origin
    with tracer.start_as_current_span(
        f"process {queue}",
        context=_empty() if context is None else context,
        kind=trace.SpanKind.CONSUMER,
        attributes=attributes,
        links=links,
    ) as span:
        yield Consumed(span, trace)


class Consumed:
    """The span of a run."""

    __slots__ = ("_span", "_trace")

    def __init__(self, span: Any, trace: Any) -> None:
        self._span = span
        self._trace = trace

    def end(self, outcome: Outcome) -> None:
        """Note how it ended: the kind of the error, never its message."""
        self._span.set_attribute("nexq.outcome", outcome.kind)
        if outcome.kind in ("retry", "bury"):
            self._span.set_attribute("error.type", str(orjson.loads(outcome.detail).get("type") or "error"))
            self._span.set_status(self._trace.StatusCode.ERROR)


def untraced(spec: bytes) -> bytes:
    """A packed spec (Spec.pack) without its trace: two of one request are equal."""
    found = Spec.unpack(b"0000000" + spec)
    for key in (PARENT, LATER):
        found.options.pop(key, None)
    return found.pack()


def _attributes(operation: str, queue: str, id: str, type: str) -> dict[str, Any]:
    return {
        "messaging.system": "nexq",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "messaging.message.id": id,
        "nexq.handler": type,
    }


def _propagator() -> Any:
    return import_module("opentelemetry.trace.propagation.tracecontext").TraceContextTextMapPropagator()


def _empty() -> Any:
    return import_module("opentelemetry.context").Context()
