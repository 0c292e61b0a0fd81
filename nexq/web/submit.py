"""Submitting over HTTP: one job, many jobs, and the calls of the systems that nexq replaces."""

from __future__ import annotations

import contextlib
import hashlib
import re
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field, GetJsonSchemaHandler, ValidationError, ValidatorFunctionWrapHandler, WrapValidator
from pydantic_core import CoreSchema
from starlette.responses import Response

from nexq.app import Job, Options
from nexq.app.submit import Draft
from nexq.errors import InvalidPayload, JobNotFound, NexqError
from nexq.ids import DIGITS
from nexq.keys import MAX_NAME
from nexq.otel import untraced
from nexq.payload import pointer
from nexq.web.call import Call, answer, invalid
from nexq.web.models import JobRequest, Strict
from nexq.web.problems import Problem, problem_of
from nexq.webhooks.hook import Webhook

MOST_IN_BATCH = 1000
_LONG_NUMBER = re.compile(rb"\d{19}")


def _or_error(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """A bad item is an answer of its own, not the end of its batch."""
    try:
        return check(value)
    except ValidationError as error:
        return invalid(error, value)


class _OrAny:
    """Describes a place where something else is taken too, and told of there."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(core), {}]}


class Batch(Strict):
    """Jobs to submit in one call."""

    jobs: Annotated[
        list[Annotated[JobRequest, WrapValidator(_or_error), _OrAny]],
        Field(
            min_length=1,
            max_length=MOST_IN_BATCH,
            description="Each as the body of POST /api/jobs; what is none is a problem at its place of the answer.",
        ),
    ]


class OldTask(Strict):
    """The body of `POST /task`."""

    type: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    payload: Any = Field(default_factory=dict)


async def create_job(call: Call) -> Response:
    """`POST /api/jobs`, `POST /api/tasks`."""
    return await _create(call, await call.model(JobRequest))


async def create_for_handler(call: Call) -> Response:
    """`POST /api/handlers/{name}/jobs`: the body is the payload itself, held to the schema that describes it here;
    `POST /api/jobs` takes what the handler takes, a number in quotes too."""
    name, payload = call.path("name"), await call.json()
    try:
        await call.link.check_described(name, payload)
        return await _create(call, JobRequest.model_construct(type=name, payload=payload))
    except InvalidPayload as error:
        raise problem_of(error, payload_at="") from None


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
            drafts.append((place, *await _draft(call, _checked(item), None)))
        except Problem as problem:
            results[place] = problem.as_dict()
        except NexqError as error:
            results[place] = problem_of(error).as_dict()
    jobs = await call.link.submit_many(drafted for _, drafted, _ in drafts)
    failed = len(results) - len(drafts)
    for (place, drafted, warning), job in zip(drafts, jobs, strict=True):
        if job.duplicate and job.id != drafted.entry.id:
            results[place] = _conflict(drafted.entry.unique, job.id).as_dict()
            failed += 1
        else:
            results[place] = _accepted(job, drafted, warning)
    answered = {"accepted": len(results) - failed, "failed": failed, "results": results}
    return answer(answered, 202 if failed < len(results) else 422)


def _checked(item: JobRequest | Problem) -> JobRequest:
    if isinstance(item, Problem):
        raise item
    return item


async def _create(call: Call, body: JobRequest) -> Response:
    key = call.request.first(b"idempotency-key")
    job, accepted = await _submit(call, body, key)
    call.made = job.id
    root = call.request.scope.get("root_path", "")
    headers = {"Location": f"{root}/api/jobs/{_quoted(job.id)}?queue={_quoted(job.queue)}"}
    if key is not None and accepted["duplicate"]:
        headers["Idempotent-Replayed"] = "true"
    wait_s = call.prefer_wait_s()
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
        # A repeat of a call whose job was deleted since is answered as the first one was.
        with contextlib.suppress(JobNotFound):
            if (await call.link.wait(job.queue, job.id, wait_s)).ended:
                return answer((await job.refresh()).as_dict(), 200, headers)
    return answer(accepted, 202, headers)


def _quoted(text: str) -> str:
    return text if text.isascii() and text.isalnum() else quote(text, safe="")


async def _submit(call: Call, body: JobRequest, key: str | None) -> tuple[Job[Any], dict[str, Any]]:
    drafted, warning = await _draft(call, body, key)
    job = await call.link.submit(drafted)
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
        webhooks=None if body.webhooks is None else [Webhook(h.url, tuple(h.on), h.key) for h in body.webhooks],
        tags=body.tags or (),
    )
    drafted, warning = await call.app.draft(body.type, body.payload, options)
    if _LONG_NUMBER.search(drafted.entry.spec):
        _refuse_big(body.payload)
    if not call.principal.may_touch(drafted.queue):
        raise Problem(403, "queue-not-allowed", f"This token does not cover queue {drafted.queue!r}.")
    return drafted, warning


async def _explain_duplicate(call: Call, job: Job[Any], drafted: Draft, body: JobRequest, key: str | None) -> None:
    """A conflict over the unique key is a problem, and so is an idempotency key used for another body."""
    if job.id != drafted.entry.id:
        raise _conflict(drafted.entry.unique, job.id)
    if key is None:
        return
    try:
        same = untraced((await job.refresh()).spec.pack()) == untraced(drafted.entry.spec)
    except JobNotFound:
        same = True
    if not same:
        raise Problem(422, "idempotency-key-reused", f"Idempotency-Key {key!r} was used for another body before.")


def _accepted(job: Job[Any], drafted: Draft, warning: str) -> dict[str, Any]:
    later = drafted.entry.delay != ""
    body = {
        "id": job.id,
        "task_id": job.id,
        "status": "scheduled" if later else "queued",
        "state": "scheduled" if later else "ready",
        "queue": job.queue,
        "duplicate": job.duplicate,
    }
    if warning:
        body["warning"] = warning
    return body


def _conflict(key: str, holder: str) -> Problem:
    text = f"Unique key {key!r} is held by job {holder} until that job ends."
    return Problem(409, "unique-conflict", text, holder=holder)


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
    """JSON numbers that other languages cannot hold are refused at this door. Raises InvalidPayload."""
    stack: list[tuple[Any, tuple[object, ...]]] = [(payload, ())]
    while stack:
        value, place = stack.pop()
        if isinstance(value, dict):
            stack += [(item, (*place, key)) for key, item in value.items()]
        elif isinstance(value, list):
            stack += [(item, (*place, i)) for i, item in enumerate(value)]
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InvalidPayload(
                "The payload has an integer beyond 64 bits; send it as a string.",
                [{"pointer": pointer(place), "message": "integer beyond 64 bits"}],
            )
