"""A worker's metrics: its counters as families. May be called in any thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from nexq.metrics.names import OTHER, WORKER
from nexq.worker.loop import Worker
from nexq.worker.tally import RUN_BOUNDS, HandlerTally, Tally

_Buckets = list[tuple[str, float]]


def families(worker: Worker) -> Iterator[Metric]:
    """The metrics of a worker at this moment."""
    tally, now = worker.tally, worker.gauges()
    yield from _runs(tally)
    slots = GaugeMetricFamily("nexq_worker_slots", WORKER["nexq_worker_slots"], labels=("state",))
    slots.add_metric(("busy",), now.busy)
    slots.add_metric(("free",), max(0, now.slots - now.busy))
    yield slots
    exchanges = HistogramMetricFamily("nexq_worker_exchange_seconds", WORKER["nexq_worker_exchange_seconds"])
    exchanges.add_metric((), _cumulated(tally.exchanges.bounds, tally.exchanges.counts), tally.exchanges.total)
    yield exchanges
    gauges = {"nexq_worker_backlog_jobs": now.backlog, "nexq_worker_silence_seconds": max(0.0, now.silence_s)}
    for name, value in gauges.items():
        yield GaugeMetricFamily(name, WORKER[name], value=value)
    counters = {
        "nexq_worker_exchange_failures": tally.exchange_failures,
        "nexq_worker_stale_settles": tally.stale,
        "nexq_worker_leases_lost": tally.leases_lost,
    }
    for name, value in counters.items():
        yield CounterMetricFamily(name, WORKER[name], value=value)


def _runs(tally: Tally) -> Iterator[Metric]:
    """Runs by handler; those that have no series of their own under OTHER, when there are any."""
    jobs = CounterMetricFamily("nexq_worker_jobs", WORKER["nexq_worker_jobs"], labels=("handler", "outcome"))
    took = HistogramMetricFamily("nexq_job_duration_seconds", WORKER["nexq_job_duration_seconds"], labels=("handler",))
    for name, handler in _by_name(tally):
        # Copied first: the worker goes on counting.
        counts, took_s, others = list(handler.runs), handler.took_s, dict(handler.others)
        took.add_metric((name,), _cumulated(RUN_BOUNDS, counts), took_s)
        jobs.add_metric((name, "complete"), handler.completed)
        for outcome, n in others.items():
            jobs.add_metric((name, outcome), n)
    yield from (jobs, took)


def _by_name(tally: Tally) -> Iterator[tuple[str, HandlerTally]]:
    for raw, handler in tally.handlers.items():
        if (name := raw.decode()) != OTHER:
            yield name, handler
    others = [handler for handler in (tally.other, tally.handlers.get(OTHER.encode())) if handler is not None]
    if any(sum(handler.runs) for handler in others):
        yield OTHER, _sum(others)


def _sum(tallies: list[HandlerTally]) -> HandlerTally:
    total = HandlerTally()
    for tally in tallies:
        total.completed += tally.completed
        total.took_s += tally.took_s
        total.runs = [a + b for a, b in zip(total.runs, tally.runs, strict=True)]
        for outcome, n in dict(tally.others).items():
            total.others[outcome] = total.others.get(outcome, 0) + n
    return total


def _cumulated(bounds: Sequence[float], counts: Sequence[int]) -> _Buckets:
    """Buckets as Prometheus wants them: each holds all the smaller ones."""
    names = [*map(repr, bounds), "+Inf"]
    return list(zip(names, accumulate(map(float, counts)), strict=True))
