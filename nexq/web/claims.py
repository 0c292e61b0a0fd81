"""Workers in any language: claim jobs, settle them, keep their leases (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from pydantic import Field
from starlette.responses import Response

from nexq.backends import Arg
from nexq.job import Spec
from nexq.keys import check_id, check_queue
from nexq.payload import dump_json, loads
from nexq.store import Exchanged
from nexq.store.moves import new_nonce
from nexq.web.call import Call, answer
from nexq.web.models import Strict
from nexq.web.problems import Problem

#: The claims of this process share a memo, so one is under way at a time.
_MEMO = f"http:{secrets.token_hex(8)}"
_claiming = asyncio.Lock()
#: How often a waiting claim looks for jobs.
LOOK_S = 0.25


class ClaimRequest(Strict):
    """What a worker wants."""

    queue: str = "default"
    worker: Annotated[str, Field(min_length=1, max_length=200, description="Its name, the same in every call.")]
    n: Annotated[int, Field(ge=1, le=100, description="Most jobs.")] = 1
    lease: Annotated[float, Field(ge=1, le=86_400, description="Seconds until an unextended claim is lost.")] = 30.0
    wait: Annotated[float, Field(ge=0, le=60, description="Seconds to wait for a first job.")] = 0.0


class Token(Strict):
    """Proof of a claim."""

    token: int


class CompleteRequest(Token):
    """A job's result."""

    result: Any = None


class FailRequest(Token):
    """A job's failure."""

    error: Annotated[str, Field(max_length=65_536)] = ""
    type: Annotated[str, Field(max_length=200)] = "Error"
    retry_in: Annotated[float | None, Field(ge=0, description="Seconds; null: to the dead set.")] = None


class ExtendRequest(Token):
    """More time."""

    lease: Annotated[float, Field(ge=1, le=86_400)] = 30.0


async def claim(call: Call) -> Response:
    """`POST /api/claim`."""
    body = await call.model(ClaimRequest)
    queue = check_queue(body.queue)
    _allow(call, queue)
    worker = "http:" + check_id(body.worker)
    loop = asyncio.get_running_loop()
    until = loop.time() + body.wait
    while True:
        async with _claiming:
            reply = await call.store.moves.exchange(
                queue, worker, new_nonce(), lease_ms=body.lease * 1000, limit=body.n, memo=_MEMO
            )
        left_s = until - loop.time()
        if reply.claims or left_s <= 0 or await call.request.is_disconnected():
            return answer({"jobs": [_job(queue, c, reply) for c in reply.claims]})
        await asyncio.sleep(min(LOOK_S, left_s, reply.next_s if reply.next_s is not None else LOOK_S))


async def complete(call: Call) -> Response:
    """`POST /api/jobs/{id}/complete`."""
    body = await call.model(CompleteRequest)
    result = b"" if body.result is None else dump_json(body.result, "result")
    return await _settle(call, completed=[call.path("id"), body.token, result])


async def fail(call: Call) -> Response:
    """`POST /api/jobs/{id}/fail`: again after `retry_in` seconds, or to the dead set."""
    body = await call.model(FailRequest)
    detail = orjson.dumps({"type": body.type, "message": body.error})
    kind = "bury" if body.retry_in is None else "retry"
    delay_ms = (body.retry_in or 0.0) * 1000
    return await _settle(call, others=[kind, call.path("id"), body.token, delay_ms, detail])


async def extend(call: Call) -> Response:
    """`POST /api/jobs/{id}/extend`: renew the lease; says whether the job shall stop."""
    body = await call.model(ExtendRequest)
    queue = await _queue_of(call)
    id = check_id(call.path("id"))
    lost, stop = await call.store.moves.extend(queue, [(id.encode(), body.token)], body.lease * 1000)
    if lost:
        raise _not_owner(id)
    return answer({"id": id, "cancel_requested": bool(stop)})


async def _settle(call: Call, *, completed: Sequence[Arg] = (), others: Sequence[Arg] = ()) -> Response:
    queue = await _queue_of(call)
    id = check_id(call.path("id"))
    # No claims are taken, so one name serves for all; a repeat is recognised by the token.
    reply = await call.store.moves.exchange(
        queue, "http:settle", new_nonce(), lease_ms=1000, limit=0, completed=completed, others=others
    )
    if reply.stale:
        raise _not_owner(id)
    return answer({"id": id, "state": (await call.store.views.get(queue, id)).state.value})


async def _queue_of(call: Call) -> str:
    from nexq.web.jobs import find

    return (await find(call)).queue


def _allow(call: Call, queue: str) -> None:
    if not call.principal.may_touch(queue):
        raise Problem(403, "queue-not-allowed", f"This token does not cover queue {queue!r}.")


def _not_owner(id: str) -> Problem:
    return Problem(409, "not-owner", f"The claim of job {id} is no longer this token's; nothing was changed.")


def _job(queue: str, claim: Any, reply: Exchanged) -> dict[str, Any]:
    spec = Spec.unpack(claim.spec)
    attempt, delivery, _ = claim.counts.split(b" ") if claim.counts else (1, 1, 0)
    return {
        "id": claim.id.decode(),
        "queue": queue,
        "type": spec.type,
        "payload": loads(spec.payload),
        "priority": spec.priority,
        "token": claim.token,
        "attempt": int(attempt),
        "delivery": int(delivery),
        "options": spec.options,
        "claimed_ms": int(reply.now_ms),
    }
