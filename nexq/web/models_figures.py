"""What the API gives of figures, as models: the schemas of its description."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from nexq.web.models import Open, QueueBody


class Percentiles(Open):
    """Durations in ms that 50, 95 and 99 % of the runs stayed below, within a few per cent."""

    p50: float
    p95: float
    p99: float
    count: int


class Alarm(Open):
    """What somebody must see to (red), or should know (amber)."""

    level: Literal["red", "amber"]
    what: str
    text: str
    queue: str | None = None


class QueueNow(QueueBody):
    """A queue with its last minutes."""

    rates: Annotated[dict[str, float], Field(description="Per second, over the last minute.")]
    failure_rate: Annotated[float | None, Field(description="Of the runs of the last five minutes.")]
    lateness_ms: Annotated[Percentiles | None, Field(description="Due until started, last five minutes.")]
    run_ms: Annotated[Percentiles | None, Field(description="Run times, last five minutes.")]
    drain_s: Annotated[float | None, Field(description="Until no job is ready, at these rates; null: never.")]
    workers: Annotated[int, Field(description="Living ones that take its jobs.")]
    slots: dict[str, int]
    alarms: list[Alarm]


class OverviewBody(Open):
    """Everything at one glance."""

    now_ms: float
    queues: list[QueueNow]
    workers: dict[str, int]
    slots: dict[str, int]
    totals: dict[str, Any]
    alarms: list[Alarm]


class SeriesBody(Open):
    """Columns, a place per bucket: jobs by what happened to them, depths at the bucket's end, percentiles."""

    range: str
    step_s: int
    queues: list[str]
    at_ms: list[int]
    enqueued: list[int]
    completed: list[int]
    failed: Annotated[list[int], Field(description="Runs that failed and are retried.")]
    dead: list[int]
    cancelled: list[int]
    lost: list[int]
    ready: list[int | None]
    scheduled: list[int | None]
    retrying: list[int | None]
    running: list[int | None]
    lateness_ms: dict[str, list[float | None]]
    run_ms: dict[str, list[float | None]]
