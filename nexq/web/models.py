"""What the API takes and gives, as models: checked on the way in, and the schemas of its description."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from nexq.keys import MAX_NAME


def _text(value: object) -> object:
    if isinstance(value, str):
        return value
    raise ValueError("Input should be an ISO 8601 date and time with its zone, as a string")


#: A hundred years, in seconds: the longest delay.
MOST_S = 100 * 365 * 86_400
#: An id, a unique key.
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
#: A name of a queue in a body.
QueueName = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[A-Za-z0-9][A-Za-z0-9_./@+-]*$")]
#: A point in time. Text only: a bare number says nothing of its unit.
Instant = Annotated[datetime, Field(strict=False), BeforeValidator(_text)]
Priority = Annotated[int, Field(ge=0, le=9)] | Literal["low", "normal", "high"]


class Strict(BaseModel):
    """A body: what is not known is refused, with its pointer, and nothing is converted from another type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class JobRequest(Strict):
    """A job to be run."""

    type: Annotated[str, Field(min_length=1, max_length=200, description="The handler's name.")]
    payload: Annotated[Any, Field(description="An object becomes keyword arguments, anything else the first.")] = None
    queue: Annotated[QueueName | None, Field(description="The handler's own when left out.")] = None
    priority: Annotated[Priority | None, Field(description="0 to 9 (9 first), or low, normal, high.")] = None
    schedule_in: Annotated[float | None, Field(ge=0, le=MOST_S, description="Seconds from now.")] = None
    run_at: Annotated[Instant | None, Field(description="With time zone; instead of schedule_in.")] = None
    max_attempts: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    timeout: Annotated[float | None, Field(ge=0, le=MOST_S, description="Seconds for each run.")] = None
    unique_key: Annotated[Name | None, Field(description="At most one live job has this key.")] = None
    max_deliveries: Annotated[int | None, Field(ge=0, le=9)] = None
    id: Annotated[
        Name | None,
        Field(description="An id of one's own; a repeat changes nothing."),
    ] = None


class JobAccepted(BaseModel):
    """What became of a submitted job."""

    id: str
    task_id: str
    status: Literal["queued", "scheduled"]
    state: str
    queue: str
    duplicate: bool
    warning: str | None = None


class JobBody(BaseModel):
    """A job with its timeline."""

    model_config = ConfigDict(extra="allow")

    id: str
    type: str
    queue: str
    state: str
    priority: int
    payload: Any
    attempt: int
    result: Any = None
    error: str | None = None


class JobPage(BaseModel):
    """A page of jobs; `next` is the cursor of the following page, null on the last."""

    jobs: list[JobBody]
    next: str | None


class ProblemBody(BaseModel):
    """An error (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
