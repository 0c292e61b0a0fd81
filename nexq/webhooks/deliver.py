"""The delivery of a webhook: a job of the type `nexq:webhook`, which every worker knows how to run."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from nexq.depends import Context
from nexq.errors import InvalidJob, NexqError
from nexq.ids import new_id
from nexq.job import JobRecord
from nexq.outbound.guard import Guard, NotAllowed
from nexq.outcome import Bury
from nexq.payload import dump_json, loads
from nexq.registry import HandlerSpec, make_spec
from nexq.retry import Retry
from nexq.states import JobState
from nexq.store import Entry, Store
from nexq.webhooks.hook import DELIVERY
from nexq.webhooks.send import Sender
from nexq.webhooks.sign import sign

#: Tried after 5 s, 30 s, 3 min, 18 min, 2 h, 10 h, 10 h more, about.
RETRY = Retry(max_attempts=8, base=5.0, factor=6.0, cap=36_000.0)
MOST_LOST = 9


class DeliveryFailed(NexqError):
    """The receiver did not take the message."""


def deliver_spec(store: Store, allow: str = "") -> HandlerSpec:
    """The handler of deliveries. `allow`: exceptions to the guard's rules (nexq.webhooks.Guard)."""
    return make_spec(
        DELIVERY,
        make_deliver(store, Sender(Guard(allow))),
        queue="default",
        priority="normal",
        timeout_s=60.0,
        retry=RETRY,
        mode="async",
        max_lost=MOST_LOST,
    )


def make_deliver(store: Store, sender: Sender) -> Callable[..., Awaitable[Any]]:
    """The function that delivers, by a store and a sender."""

    async def deliver(
        ctx: Context, job: str, type: str, state: str, at_ms: int, number: int, hook: dict[str, str]
    ) -> Any:
        """Tell a receiver how a job ended. Returns the answer's status, and how long it took."""
        queue = ctx.job.queue
        keys = (await store.hooks.keys(hook["key"])).get(hook["key"])
        if not keys:
            raise DeliveryFailed(f"There is no webhook key named {hook['key']!r}: make one, and deliver again.")
        record = (await store.views.get_many(queue, [job]))[0]
        body = message(queue, job, type, state, at_ms, record)
        headers = sign(
            message_id(store.namespace, queue, job, at_ms, number), int(time.time()), body, [k.secret for k in keys]
        )
        headers |= {"content-type": "application/json", "user-agent": "nexq-webhook"}
        begun = time.monotonic()
        try:
            status = await sender.post(hook["url"], headers, body)
        except NotAllowed as error:
            return Bury(str(error))
        if status == 410:
            return Bury("The receiver answered 410 Gone: it wants no more of these.")
        if not 200 <= status < 300:
            raise DeliveryFailed(f"The receiver answered {status}.")
        return {"status": status, "duration_ms": round((time.monotonic() - begun) * 1000, 1)}

    return deliver


def message(queue: str, job: str, type: str, state: str, at_ms: int, record: JobRecord | None) -> bytes:
    """The body of a message. What is known only of a job that still is as it ended is left out of others."""
    data: dict[str, Any] = {"id": job, "type": type, "queue": queue, "state": state}
    if record is not None and record.state == state and abs(record.score_ms - at_ms) < 1:
        data |= {"attempt": record.run.attempt, "enqueued_at": _time(record.spec.enqueued_ms)}
        if record.state is JobState.COMPLETED:
            data["result"] = None if record.result is None else loads(record.result)
        elif record.attempts:
            error = record.attempts[-1].error
            data["error"] = {"type": error.get("type", ""), "message": error.get("message", "")}
    return dump_json({"type": f"job.{state}", "timestamp": _time(at_ms), "data": data}, "webhook")


def message_id(namespace: str, queue: str, job: str, at_ms: int, number: int) -> str:
    """The message's id, the same however often it is sent. Without dots, which the signature puts between its parts."""
    raw = orjson.dumps([namespace, queue, job, at_ms, number])
    return "msg_" + hashlib.sha256(raw).hexdigest()[:32]


async def redeliver(store: Store, record: JobRecord) -> str:
    """Deliver once more, under the same message id, so that a receiver that has it can drop it.

    Returns the id of the job that does so: the same one, or a copy of one that has completed. Raises InvalidJob.
    """
    if record.spec.type != DELIVERY:
        raise InvalidJob(f"Job {record.id} is not the delivery of a webhook.")
    if record.state in (JobState.DEAD, JobState.CANCELLED):
        await store.moves.revive(record.queue, record.id)
    elif record.state is JobState.COMPLETED:
        id = new_id()
        await store.moves.enqueue(record.queue, [Entry(id, record.spec.pack())])
        return id
    else:
        await store.moves.run_now(record.queue, record.id)
    return record.id


def _time(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
