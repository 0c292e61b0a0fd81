"""What the API takes and gives, as models: checked on the way in, and the schemas of its description."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from nexq.keys import MAX_NAME, MOST_TAGS, QUEUE_FORM, TAG_FORM
from nexq.outbound.url import IS_URL, URL_PATTERN
from nexq.states import JobState
from nexq.webhooks.hook import MOST_URL, End


def _text(value: object) -> object:
    if isinstance(value, str):
        return value
    raise ValueError("Input should be an ISO 8601 date and time with its zone, as a string")


def _whole(value: object) -> object:
    """5.0 is an integer in JSON, as JSON Schema reads it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: A hundred years, in seconds: the longest delay.
MOST_S = 100 * 365 * 86_400
#: An id, a unique key.
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
#: A name of a queue in a body.
QueueName = Annotated[str, Field(pattern=f"^{QUEUE_FORM}$")]
#: A word that a job is found by.
Tag = Annotated[str, Field(pattern=f"^{TAG_FORM}$")]
#: A point in time. Text only: a bare number says nothing of its unit.
Instant = Annotated[datetime, Field(strict=False), BeforeValidator(_text)]
#: For an integer of a body, after its bounds, which the description would not have otherwise.
WHOLE = BeforeValidator(_whole)
Priority = Annotated[int, Field(ge=0, le=9), WHOLE] | Literal["low", "normal", "high"]


class Strict(BaseModel):
    """A body: what is not known is refused, with its pointer, and nothing is converted from another type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


_USUAL: tuple[End, ...] = ("completed", "dead")
KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]


class NewHook(Strict):
    """Whom to tell how jobs end."""

    url: Annotated[str, Field(max_length=MOST_URL, description="http or https."), IS_URL, URL_PATTERN]
    on: list[End] = Field(
        default_factory=lambda: list(_USUAL), min_length=1, max_length=3, description="Which ends are told."
    )
    key: Annotated[KeyName, Field(description="Name of the key that signs.")] = "default"


class JobRequest(Strict):
    """A job to be run."""

    model_config = ConfigDict(
        json_schema_extra={
            "not": {
                "required": ["schedule_in", "run_at"],
                "properties": {"schedule_in": {"type": "number"}, "run_at": {"type": "string"}},
            }
        }
    )

    type: Annotated[str, Field(min_length=1, max_length=200, description="The handler's name.")]
    payload: Annotated[
        Any, Field(default_factory=dict, description="An object becomes keyword arguments, anything else the first.")
    ]
    queue: Annotated[QueueName | None, Field(description="The handler's own when left out.")] = None
    priority: Annotated[Priority | None, Field(description="0 to 9 (9 first), or low, normal, high.")] = None
    schedule_in: Annotated[float | None, Field(ge=0, le=MOST_S, description="Seconds from now.")] = None
    run_at: Annotated[Instant | None, Field(description="With time zone; instead of schedule_in.")] = None
    max_attempts: Annotated[int | None, Field(ge=1, le=1_000_000), WHOLE] = None
    timeout: Annotated[float | None, Field(ge=0, le=MOST_S, description="Seconds for each run.")] = None
    unique_key: Annotated[Name | None, Field(description="At most one live job has this key.")] = None
    max_deliveries: Annotated[int | None, Field(ge=0, le=9), WHOLE] = None
    id: Annotated[
        Name | None,
        Field(description="An id of one's own; a repeat changes nothing."),
    ] = None
    webhooks: Annotated[
        list[NewHook] | None, Field(max_length=10, description="Who is told how it ends, instead of its handler's.")
    ] = None
    tags: Annotated[list[Tag] | None, Field(max_length=MOST_TAGS, description="Words to find it by.")] = None


class JobAccepted(BaseModel):
    """What became of a submitted job."""

    id: str
    task_id: str
    status: Literal["queued", "scheduled"]
    state: str
    queue: str
    duplicate: bool
    warning: str | None = None


class Open(BaseModel):
    """An answer: members may be added later."""

    model_config = ConfigDict(extra="allow")


class Pointed(Open):
    """What is wrong at one place of the body."""

    pointer: str
    message: str


class ProblemBody(Open):
    """An error (RFC 9457). `type` is stable; `errors` names places of the body by JSON pointers (RFC 6901)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[Pointed] | None = None


class OldAccepted(BaseModel):
    """What `POST /task` answers."""

    status: Literal["queued"]
    task_id: str


class BatchAnswer(BaseModel):
    """Per job, at its place, what became of it: as `POST /api/jobs` answers, or a problem."""

    accepted: int
    failed: int
    results: list[JobAccepted | ProblemBody]


class AttemptBody(Open):
    """A run that did not complete."""

    outcome: str
    attempt: int
    started_ms: float
    ended_ms: float
    worker: str
    error: dict[str, Any]


class EventBody(Open):
    """One line of a job's timeline."""

    at_ms: float
    event: str


class Progress(Open):
    """How far a job is, as it told last."""

    at_ms: float
    fraction: float
    text: str


class LogLine(Open):
    """A line that a job logged; `n` counts from its first one."""

    n: int
    at_ms: float
    level: str
    text: str
    attempt: int


class JobBody(Open):
    """A job. Times are Unix ms; `timeline`, `progress` and `log` come where one job is asked for."""

    id: str
    queue: str
    type: str
    state: JobState
    priority: int
    payload: Any
    attempt: Annotated[int, Field(description="The run that it is, or was, in; given back ones do not count.")]
    delivery: Annotated[int, Field(description="Claims in all, those too whose worker died.")]
    worker: str | None
    enqueued_ms: float
    started_ms: float | None
    unique: str | None
    options: dict[str, Any]
    tags: list[str]
    error: Annotated[str | None, Field(description="The last attempt's error as one line.")]
    result: Any
    cancel_requested: bool
    attempts: list[AttemptBody]
    timeline: list[EventBody] | None = None
    progress: Progress | None = None
    log: Annotated[list[LogLine] | None, Field(description="The newest lines that it logged.")] = None
    log_total: Annotated[int | None, Field(description="How many it logged in all.")] = None
    payload_json: Annotated[str | None, Field(description="With exact=1: the payload as it is stored.")] = None
    result_json: Annotated[str | None, Field(description="With exact=1: the result as it is stored.")] = None
    due_ms: float | None = None
    lease_until_ms: float | None = None
    ended_ms: float | None = None


class JobPage(BaseModel):
    """A page of jobs; `next` is the cursor of the following page, null on the last."""

    jobs: list[JobBody]
    next: str | None


class JobMoved(Open):
    """Where a job stands after a move."""

    id: str
    state: JobState


class BulkAnswer(BaseModel):
    """How many jobs were moved and which were not (100 at most are named); with `dry_run`, how many match."""

    done: int | None = None
    refused: list[dict[str, str]] | None = None
    refused_count: int | None = None
    matched: int | None = None
    ids: list[str] | None = None
    more: Annotated[bool, Field(description="One call moves 1,000 at most: others remain.")]
    next: Annotated[str | None, Field(description="The cursor to call again with, for the others.")] = None
    until_ms: Annotated[float | None, Field(description="With a rate: when the last of them is due.")] = None


class DeadGroup(Open):
    """Dead jobs whose last errors are alike: numbers, ids and what stands in quotes do not count."""

    fingerprint: str
    error: Annotated[str, Field(description="Of the one that died last.")]
    count: int
    first_ms: float
    last_ms: float
    handlers: list[dict[str, Any]]
    queues: list[str]
    sample: dict[str, str]


class DeadGroups(BaseModel):
    """The groups; `total`: dead jobs that were looked at, `more`: there are others."""

    groups: list[DeadGroup]
    total: int
    more: bool


class QueueBody(Open):
    """A queue at one moment."""

    name: str
    counts: dict[str, int]
    lag_s: Annotated[float | None, Field(description="Age of the oldest ready job, seconds.")]
    paused: dict[str, Any] | None
    totals: dict[str, int]


class Queues(BaseModel):
    """All queues."""

    queues: list[QueueBody]


class Purged(BaseModel):
    """How many jobs were dropped."""

    queue: str
    state: JobState
    purged: int


class WorkerBody(Open):
    """A worker as it told of itself."""

    id: str
    alive: bool
    alive_until_ms: float


class ReroutedJob(Open):
    """A job that was taken back from a dead worker: what became of it then, and where it is now."""

    at_ms: float
    id: str
    queue: str
    became: Literal["ready", "dead", "cancelled"]
    state: JobState | None
    worker: Annotated[str | None, Field(description="Who runs it now, or ran it last.")]


class ReroutedBody(BaseModel):
    """Jobs that were taken back from dead workers."""

    rerouted: list[ReroutedJob]


class OneWorker(WorkerBody):
    """A worker with its jobs."""

    jobs: list[JobBody]
    jobs_more: bool
    rerouted: list[ReroutedJob]


class Workers(BaseModel):
    """All workers, and the time of the server that keeps the jobs."""

    workers: list[WorkerBody]
    now_ms: float


class Ordered(BaseModel):
    """What a worker was told."""

    id: str
    ordered: dict[str, Any]


class HandlerBody(Open):
    """A handler as its workers published it; `schema` is its payload's JSON Schema."""

    name: str
    queue: str
    priority: int


class Handlers(BaseModel):
    """All handlers."""

    handlers: list[HandlerBody]


class Stats(Open):
    """Figures over all queues."""

    now_ms: float
    queues: int
    workers: int
    counts: dict[str, int]
    totals: dict[str, int]
    lag_s: float | None


class ClaimedJob(BaseModel):
    """A claimed job; its token settles it."""

    id: str
    queue: str
    type: str
    payload: Any
    priority: int
    token: int
    attempt: int
    delivery: int
    options: dict[str, Any]
    claimed_ms: int


class Claimed(BaseModel):
    """The claimed jobs; none where there was none."""

    jobs: list[ClaimedJob]


class Extended(BaseModel):
    """The claim holds; whether the job shall stop."""

    id: str
    cancel_requested: bool
