"""One job over HTTP: read it, and every move by hand."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from starlette.responses import Response

from nexq.job import JobRecord
from nexq.keys import check_queue
from nexq.states import JobState
from nexq.web.call import Call, answer
from nexq.web.models import Priority, Strict
from nexq.web.problems import Problem


class Reprioritize(Strict):
    """The priority to give."""

    priority: Annotated[Priority, Field(description="0 to 9 (9 first), or low, normal, high.")]


async def get_job(call: Call) -> Response:
    """`GET /api/jobs/{id}`: the job with its timeline. `Prefer: wait=` waits for its end."""
    record = await find(call)
    wait_s = call.prefer_wait_s()
    if wait_s is not None and not record.state.ended:
        await call.link.wait(record.queue, record.id, wait_s)
        record = await call.store.views.get(record.queue, record.id)
    reported = await call.store.views.journal(record.queue, record.id)
    shown = {
        **record.as_dict(),
        "timeline": timeline(record),
        "progress": reported.progress,
        "log": reported.lines,
        "log_total": reported.total,
    }
    if call.query("exact") == "1":
        # As it is stored: for clients whose numbers are less exact than JSON's.
        shown["payload_json"] = record.spec.payload.decode()
        shown["result_json"] = None if record.result is None else record.result.decode()
    return answer(shown)


async def cancel_job(call: Call) -> Response:
    """`POST /api/jobs/{id}/cancel`: 200 when it is cancelled or has ended, 202 when its worker was told."""
    record = await find(call)
    state = await call.store.moves.cancel(record.queue, record.id)
    if state.ended and state is not JobState.CANCELLED:
        raise Problem(409, "wrong-state", f"Job {record.id} has ended: it is {state.value}.", state=state.value)
    return answer({"id": record.id, "state": state.value}, 202 if state is JobState.RUNNING else 200)


async def retry_job(call: Call) -> Response:
    """`POST /api/jobs/{id}/retry`: a dead or cancelled job lives again, one that waits for its retry runs now."""
    record = await find(call)
    moves = call.store.moves
    if record.state in (JobState.DEAD, JobState.CANCELLED):
        done, state = await moves.revive(record.queue, record.id)
    else:
        done, state = await moves.run_now(record.queue, record.id)
    return _moved(record, done, state, "dead, cancelled or retrying")


async def promote_job(call: Call) -> Response:
    """`POST /api/jobs/{id}/promote`: a job that is due later runs now."""
    record = await find(call)
    done, state = await call.store.moves.run_now(record.queue, record.id)
    return _moved(record, done, state, "scheduled or retrying")


async def reprioritize_job(call: Call) -> Response:
    """`POST /api/jobs/{id}/reprioritize`."""
    from nexq.registry import priority_of

    body = await call.model(Reprioritize)
    record = await find(call)
    priority = priority_of(body.priority)
    done, state = await call.store.moves.reprioritize(record.queue, record.id, priority)
    return _moved(record, done, state, "not ended")


async def delete_job(call: Call) -> Response:
    """`DELETE /api/jobs/{id}`: 204; a running job must be cancelled first."""
    record = await find(call)
    if not await call.store.moves.delete(record.queue, record.id):
        raise Problem(409, "wrong-state", f"Job {record.id} is running; cancel it first.", state="running")
    return Response(status_code=204)


async def find(call: Call) -> JobRecord:
    """The job of the path, wherever it is; a job of a queue that the caller may not touch is not there."""
    queue = call.query("queue")
    if queue:
        check_queue(queue)
    views = call.store.views
    queues = [queue] if queue else [q for q in (await views.directory()).queues if call.principal.may_touch(q)]
    return await views.find(call.path("id"), [q for q in queues if call.principal.may_touch(q)])


def timeline(record: JobRecord) -> list[dict[str, object]]:
    """What happened to the job, in order: `{"at_ms", "event", …}`."""
    events: list[dict[str, object]] = [{"at_ms": record.spec.enqueued_ms, "event": "enqueued"}]
    if record.state is JobState.SCHEDULED and not record.attempts:
        events.append({"at_ms": record.spec.enqueued_ms, "event": "scheduled", "due_ms": record.score_ms})
    for a in record.attempts:
        events.append({"at_ms": a.started_ms, "event": "started", "attempt": a.attempt, "worker": a.worker})
        error = {k: v for k, v in a.error.items() if k in ("type", "message")}
        events.append({"at_ms": a.ended_ms, "event": a.outcome, "attempt": a.attempt, "error": error})
    ran_since = record.run.started_ms > (record.attempts[-1].started_ms if record.attempts else 0)
    if ran_since and record.state in (JobState.RUNNING, JobState.COMPLETED):
        run = record.run
        events.append({"at_ms": run.started_ms, "event": "started", "attempt": run.attempt, "worker": run.worker})
    if record.state is JobState.COMPLETED or (record.state is JobState.CANCELLED and not ran_since):
        events.append({"at_ms": int(record.score_ms), "event": record.state.value})
    return events


def _moved(record: JobRecord, done: bool, state: JobState, expected: str) -> Response:
    if not done:
        raise Problem(
            409, "wrong-state", f"Job {record.id} is {state.value}; expected it to be {expected}.", state=state.value
        )
    return answer({"id": record.id, "state": state.value})
