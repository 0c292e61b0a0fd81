"""What is put around runs where somebody looks: counters, and spans."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from nexq import otel
from nexq.job import Spec
from nexq.outcome import Outcome
from nexq.worker.running import Running
from nexq.worker.settings import WorkerSettings
from nexq.worker.tally import Tally, counted

_Run = Callable[[Running], Coroutine[Any, Any, Outcome]]


def watched(run: _Run, tally: Tally, settings: WorkerSettings) -> _Run:
    """`run` with what is asked for around it; `run` itself where nothing is."""
    if settings.metrics:
        run = counted(run, tally)
    return run if otel.tracer is None else traced(run, settings.id)


def traced(run: Callable[[Running], Awaitable[Outcome]], worker: str) -> _Run:
    """`run`, with the consumer's span around it."""

    async def run_traced(running: Running) -> Outcome:
        claim = running.claim
        attempt = int(claim.counts.split(b" ", 1)[0] or 1)
        spec = Spec.unpack(claim.spec)
        with otel.process(running.queue, claim.id.decode(), spec, worker, attempt, bool(claim.counts)) as consumed:
            outcome = await run(running)
            consumed.end(outcome)
        return outcome

    return run_traced
