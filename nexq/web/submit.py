"""Submitting over HTTP: one job, many jobs, and the calls of the systems that nexq replaces."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import Field, TypeAdapter
from starlette.responses import Response

from nexq.app import Job, Options
from nexq.app.submit import Draft
from nexq.errors import InvalidJob, InvalidPayload, JobNotFound, NexqError
from nexq.ids import DIGITS
from nexq.web.call import Call, answer
from nexq.web.models import JobAccepted, JobRequest, Strict
from nexq.web.problems import Problem, problem_of

MOST_IN_BATCH = 1000


class Batch(Strict):
    """Jobs to submit in one call."""

    jobs: list[Any] = Field(min_length=1, max_length=MOST_IN_BATCH, description="Each as the body of POST /api/jobs.")


class OldTask(Strict):
    """The body of `POST /task`."""

    type: str
    payload: Any = None


_ONE = TypeAdapter(JobRequest)


async def create_job(call: Call) -> Response:
    """`POST /api/jobs`, `POST /api/tasks`."""
    return await _create(call, await call.model(JobRequest))


async def create_for_handler(call: Call) -> Response:
    """`POST /api/handlers/{name}/jobs`: the body is the payload itself."""
    raw = await call.body()
    try:
        payload = TypeAdapter(Any).validate_json(raw) if raw else None
    except ValueError as error:
        raise Problem(400, "malformed-json", f"The body is not JSON: {error}.") from None
    return await _create(call, JobRequest.model_construct(type=call.path("name"), payload=payload))


async def create_old_task(call: Call) -> Response:
    """`POST /task`: `{"type", "payload"}` -> `{"status": "queued", "task_id": …}`."""
    body = await call.model(OldTask)
    job, _ = await _submit(call, JobRequest.model_construct(type=body.type, payload=body.payload), None)
    return answer({"status": "queued", "task_id": job.id})


async def create_batch(call: Call) -> Response:
    """`POST /api/jobs:batch`: up to 1,000 jobs; each place of `results` is a job or a problem."""
    body = await call.model(Batch)
    results: list[dict[str, Any]] = [{}] * len(body.jobs)
    drafts: list[tuple[int, Draft, str]] = []
    for place, item in enumerate(body.jobs):
        try:
            drafts.append((place, *await _draft(call, _ONE.validate_python(item), None)))
        except (Problem, NexqError, ValueError) as error:
            results[place] = _problem(error).as_dict()
    link = call.app.link()
    jobs = await link.submit_many(drafted for _, drafted, _ in drafts)
    for (place, drafted, warning), job in zip(drafts, jobs, strict=True):
        results[place] = _accepted(job, drafted, warning)
    failed = sum("status" in r and isinstance(r["status"], int) for r in results)
    return answer({"accepted": len(results) - failed, "failed": failed, "results": results}, 202 if drafts else 422)


async def _create(call: Call, body: JobRequest) -> Response:
    key = call.request.headers.get("idempotency-key")
    job, accepted = await _submit(call, body, key)
    headers = {"Location": f"{call.request.scope.get('root_path', '')}/api/jobs/{job.id}"}
    if key is not None and accepted["duplicate"]:
        headers["Idempotent-Replayed"] = "true"
    wait_s = call.prefer_wait_s()
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
        state = await call.app.link().wait(job.queue, job.id, wait_s)
        if state.ended:
            return answer((await job.refresh()).as_dict(), 200, headers)
    return answer(accepted, 202, headers)


async def _submit(call: Call, body: JobRequest, key: str | None) -> tuple[Job[Any], dict[str, Any]]:
    drafted, warning = await _draft(call, body, key)
    job = await call.app.submit(drafted)
    if job.duplicate:
        await _explain_duplicate(call, job, drafted, body, key)
    return job, _accepted(job, drafted, warning)


async def _draft(call: Call, body: JobRequest, key: str | None) -> tuple[Draft, str]:
    if key is not None:
        if body.id is not None:
            raise Problem(422, "invalid-body", "Give either an id or an Idempotency-Key, not both.")
        body.id = _id_of_key(call, key)
    options = Options(
        delay=body.schedule_in,
        run_at=body.run_at,
        priority=body.priority,
        queue=body.queue,
        unique=body.unique_key,
        id=body.id,
        max_attempts=body.max_attempts,
        timeout=body.timeout,
        max_deliveries=body.max_deliveries,
    )
    _refuse_big(body.payload)
    drafted, warning = await call.app.draft(body.type, body.payload, options)
    if not call.principal.may_touch(drafted.queue):
        raise Problem(403, "queue-not-allowed", f"This token does not cover queue {drafted.queue!r}.")
    return drafted, warning


async def _explain_duplicate(call: Call, job: Job[Any], drafted: Draft, body: JobRequest, key: str | None) -> None:
    """A conflict over the unique key is a problem, and so is an idempotency key used for another body."""
    if job.id != drafted.entry.id:
        raise Problem(
            409,
            "unique-conflict",
            f"Unique key {body.unique_key!r} is held by job {job.id} until that job ends.",
            holder=job.id,
        )
    if key is None:
        return
    try:
        same = (await job.refresh()).spec.pack() == drafted.entry.spec
    except JobNotFound:
        same = True
    if not same:
        raise Problem(422, "idempotency-key-reused", f"Idempotency-Key {key!r} was used for another body before.")


def _accepted(job: Job[Any], drafted: Draft, warning: str) -> dict[str, Any]:
    later = drafted.entry.delay != ""
    body = JobAccepted.model_construct(
        id=job.id,
        task_id=job.id,
        status="scheduled" if later else "queued",
        state="scheduled" if later else "ready",
        queue=job.queue,
        duplicate=job.duplicate,
    ).__dict__
    if warning:
        body["warning"] = warning
    return body


def _id_of_key(call: Call, key: str) -> str:
    """A job id made from an idempotency key: the same for the same caller and key."""
    if not 1 <= len(key) <= 255 or not key.isprintable():
        raise Problem(400, "bad-idempotency-key", "Expected Idempotency-Key to have 1 to 255 printable characters.")
    number = int.from_bytes(hashlib.sha256(f"{call.principal.name}\n{key}".encode()).digest()[:16])
    digits = ""
    for _ in range(20):
        number, digit = divmod(number, 62)
        digits += DIGITS[digit]
    return f"i{digits}"


def _refuse_big(payload: Any) -> None:
    """JSON numbers that other languages cannot hold are refused at this door."""
    stack = [payload]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list):
            stack += value
        elif isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise InvalidPayload(
                "The payload has an integer beyond 64 bits; send it as a string.",
                [{"pointer": "", "message": "integer beyond 64 bits"}],
            )


def _problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, NexqError):
        return problem_of(error)
    return problem_of(InvalidJob(str(error)))
