"""What the API takes and gives, as models: checked on the way in, and the schemas of its description."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Priority = Annotated[int, Field(ge=0, le=9)] | Literal["low", "normal", "high"]


class Strict(BaseModel):
    """A body: fields that are not known are refused, with their pointer."""

    model_config = ConfigDict(extra="forbid")


class JobRequest(Strict):
    """A job to be run."""

    type: Annotated[str, Field(min_length=1, max_length=200, description="The handler's name.")]
    payload: Annotated[Any, Field(description="An object becomes keyword arguments, anything else the first.")] = None
    queue: Annotated[str | None, Field(description="The handler's own when left out.")] = None
    priority: Annotated[Priority | None, Field(description="0 to 9 (9 first), or low, normal, high.")] = None
    schedule_in: Annotated[float | None, Field(ge=0, description="Seconds from now.")] = None
    run_at: Annotated[datetime | None, Field(description="With time zone; instead of schedule_in.")] = None
    max_attempts: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    timeout: Annotated[float | None, Field(ge=0, description="Seconds for each run.")] = None
    unique_key: Annotated[str | None, Field(description="At most one live job has this key.")] = None
    max_deliveries: Annotated[int | None, Field(ge=0, le=9)] = None
    id: Annotated[str | None, Field(description="An id of one's own; a repeat changes nothing.")] = None


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
