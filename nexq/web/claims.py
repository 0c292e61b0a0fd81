"""Workers in any language: claim jobs, settle them, keep their leases (docs/protocol.md)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import Annotated, Any, Literal
from weakref import WeakKeyDictionary

import orjson
from pydantic import Field
from starlette.responses import Response

from nexq.backends import Arg
from nexq.errors import InvalidPayload
from nexq.job import JobRecord, Spec
from nexq.journal import LINE_CHARS, NOTHING, TEXT_CHARS, Journal
from nexq.keys import check_id, check_queue
from nexq.payload import dump_json, loads
from nexq.store import Claim, Exchanged
from nexq.store.moves import new_nonce
from nexq.web.call import Call, answer
from nexq.web.models import MOST_S, WHOLE, Name, QueueName, Strict
from nexq.web.problems import Problem

#: A job of a type that a worker did not ask for is given back for this long: others may take it then.
NOT_MINE_S = 5.0
#: Exchanges that one claim makes at most while it gives back what it did not ask for.
MOST_ROUNDS = 50
#: How long a claim waits at most, seconds.
MOST_WAIT_S = 60.0
#: Lines of a job's log in one call.
MOST_REPORTED = 50
#: How often a waiting claim looks for jobs.
LOOK_S = 0.25


class ClaimRequest(Strict):
    """What a worker wants."""

    queue: QueueName = "default"
    worker: Annotated[Name, Field(description="Its name, the same in every call.")]
    handlers: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=200)]] | None,
        Field(min_length=1, max_length=1000, description="Only jobs of these types; left out: of any."),
    ] = None
    n: Annotated[int, Field(ge=1, le=100, description="Most jobs."), WHOLE] = 1
    lease: Annotated[float, Field(ge=1, le=86_400, description="Seconds until an unextended claim is lost.")] = 30.0
    wait: Annotated[float, Field(ge=0, le=MOST_WAIT_S, description="Seconds to wait for a first job.")] = 0.0


class Token(Strict):
    """Proof of a claim."""

    token: Annotated[int, Field(ge=0, lt=2**53), WHOLE]


class CompleteRequest(Token):
    """A job's result."""

    result: Any = None


class FailRequest(Token):
    """A job's failure."""

    error: Annotated[str, Field(max_length=65_536)] = ""
    type: Annotated[str, Field(max_length=200)] = "Error"
    retry_in: Annotated[float | None, Field(ge=0, le=MOST_S, description="Seconds; null: to the dead set.")] = None


class ExtendRequest(Token):
    """More time."""

    lease: Annotated[float, Field(ge=1, le=86_400)] = 30.0


class ReportRequest(Token):
    """What a claimed job tells of itself while it runs."""

    progress: Annotated[float | None, Field(ge=0, le=1, description="How far it is, 0 to 1.")] = None
    text: Annotated[str, Field(max_length=TEXT_CHARS, description="A few words beside the progress.")] = ""
    lines: Annotated[
        list[Annotated[str, Field(max_length=LINE_CHARS)]],
        Field(default_factory=list, max_length=MOST_REPORTED, description="Lines for its log."),
    ]
    level: Annotated[Literal["info", "warning", "error"], Field(description="Of the lines.")] = "info"


async def claim(call: Call) -> Response:
    """`POST /api/claim`."""
    body = await call.model(ClaimRequest)
    queue = check_queue(body.queue)
    _allow(call, queue)
    worker = "http:" + check_id(body.worker)
    line = _line()
    loop = asyncio.get_running_loop()
    until = loop.time() + min(body.wait, MOST_WAIT_S)
    rounds = 0
    while True:
        reply = await line.exchange(call, queue, worker, lease_ms=body.lease * 1000, limit=body.n)
        mine = await _keep_wanted(call, queue, reply.claims, body.handlers)
        left_s = until - loop.time()
        rounds += 1
        if await call.request.is_disconnected():
            # Nobody hears the answer: what was taken for it is ready again at once.
            await _give_back(call, queue, mine, 0.0, _GONE)
            return answer({"jobs": []})
        if mine:
            return answer({"jobs": [_job(queue, c, reply) for c in mine]})
        if reply.claims and rounds < MOST_ROUNDS:
            continue  # All were of other types: what is behind them may be wanted.
        if left_s <= 0:
            return answer({"jobs": []})
        rounds = 0
        await asyncio.sleep(min(LOOK_S, left_s, reply.next_s if reply.next_s is not None else LOOK_S))


async def _keep_wanted(call: Call, queue: str, claims: list[Claim], handlers: list[str] | None) -> list[Claim]:
    """The claims of the types asked for; the others are given back, as a worker does with types it does not know."""
    if handlers is None:
        return claims
    wanted = frozenset(handlers)
    mine = [claim for claim in claims if Spec.unpack(claim.spec).type in wanted]
    kept = {claim.id for claim in mine}
    await _give_back(call, queue, [c for c in claims if c.id not in kept], NOT_MINE_S, _NOT_MINE)
    return mine


async def _give_back(call: Call, queue: str, claims: list[Claim], delay_s: float, why: bytes) -> None:
    if claims:
        others: list[Arg] = []
        for claim in claims:
            others += ("release", claim.id, claim.token, delay_s * 1000, why)
        await call.store.moves.exchange(queue, "http:settle", new_nonce(), lease_ms=1000, limit=0, others=others)


_NOT_MINE = orjson.dumps({"type": "UnknownHandler", "message": "its worker asked for other types; given back"})
_GONE = orjson.dumps({"type": "Disconnected", "message": "the worker hung up before it had the job; given back"})


class _Line:
    """The claims made on one event loop. Those on one queue share a memo, so one is under way at a time."""

    def __init__(self) -> None:
        self._memo = f"http:{secrets.token_hex(8)}"
        self._turns: dict[str, asyncio.Lock] = {}

    async def exchange(self, call: Call, queue: str, worker: str, *, lease_ms: float, limit: int) -> Exchanged:
        turn = self._turns.get(queue)
        if turn is None:
            if len(self._turns) > 1000:
                self._turns = {name: turn for name, turn in self._turns.items() if turn.locked()}
            turn = self._turns[queue] = asyncio.Lock()
        async with turn:
            return await call.store.moves.exchange(
                queue, worker, new_nonce(), lease_ms=lease_ms, limit=limit, memo=self._memo
            )


_lines: WeakKeyDictionary[asyncio.AbstractEventLoop, _Line] = WeakKeyDictionary()


def _line() -> _Line:
    loop = asyncio.get_running_loop()
    if loop not in _lines:
        _lines[loop] = _Line()
    return _lines[loop]


async def complete(call: Call) -> Response:
    """`POST /api/jobs/{id}/complete`."""
    body = await call.model(CompleteRequest)
    try:
        result = b"" if body.result is None else dump_json(body.result, "result")
    except InvalidPayload as error:
        raise Problem(422, "invalid-body", str(error), errors=[{"pointer": "/result", "message": str(error)}]) from None
    if len(result) > call.app.payload_limit:
        raise Problem(413, "result-too-large", f"The result has {len(result):,} bytes.", limit=call.app.payload_limit)
    return await _settle(call, completed=[call.path("id"), body.token, result])


async def fail(call: Call) -> Response:
    """`POST /api/jobs/{id}/fail`: again after `retry_in` seconds, or to the dead set."""
    body = await call.model(FailRequest)
    detail = orjson.dumps({"type": body.type or "Error", "message": body.error})
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


async def report(call: Call) -> Response:
    """`POST /api/jobs/{id}/report`: how far a claimed job is, and lines for its log."""
    body = await call.model(ReportRequest)
    record = await _found(call)
    journal = Journal(record.run.attempt, lambda: None)
    if body.progress is not None:
        journal.progress(body.progress, body.text)
    for text in body.lines:
        journal.line(body.level, text)
    told = journal.take()
    if told != NOTHING and await call.store.moves.report(record.queue, [(record.id.encode(), body.token, told)]):
        raise _not_owner(record.id)
    return answer({"id": record.id, "state": record.state.value})


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
    return (await _found(call)).queue


async def _found(call: Call) -> JobRecord:
    from nexq.web.jobs import find

    return await find(call)


def _allow(call: Call, queue: str) -> None:
    if not call.principal.may_touch(queue):
        raise Problem(403, "queue-not-allowed", f"This token does not cover queue {queue!r}.")


def _not_owner(id: str) -> Problem:
    return Problem(409, "not-owner", f"The claim of job {id} is no longer this token's; nothing was changed.")


def _job(queue: str, claim: Claim, reply: Exchanged) -> dict[str, Any]:
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
