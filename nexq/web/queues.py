"""Queues, workers, handlers and figures over HTTP."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import orjson
from pydantic import Field
from starlette.responses import Response

from nexq.errors import JobNotFound
from nexq.keys import check_queue
from nexq.states import JobState
from nexq.store import QueueView, WorkerView
from nexq.web.call import Call, answer
from nexq.web.models import Strict


class Pause(Strict):
    """Why a queue is paused."""

    reason: Annotated[str, Field(max_length=1000)] = ""


class Purge(Strict):
    """What to drop."""

    state: Literal["blocked", "scheduled", "ready", "retrying", "completed", "dead", "cancelled"] = "ready"


async def list_queues(call: Call) -> Response:
    """`GET /api/queues`."""
    return answer({"queues": [view.as_dict() for view in await views_of(call)]})


async def get_queue(call: Call) -> Response:
    """`GET /api/queues/{queue}`."""
    return answer((await call.store.views.queue(queue_of(call))).as_dict())


async def pause_queue(call: Call) -> Response:
    """`POST /api/queues/{queue}/pause`."""
    reason = (await call.model(Pause)).reason
    await call.store.moves.pause(queue_of(call), orjson.dumps({"reason": reason, "by": call.principal.name}))
    return answer((await call.store.views.queue(queue_of(call))).as_dict())


async def resume_queue(call: Call) -> Response:
    """`POST /api/queues/{queue}/resume`."""
    await call.store.moves.pause(queue_of(call), b"")
    return answer((await call.store.views.queue(queue_of(call))).as_dict())


async def purge_queue(call: Call) -> Response:
    """`POST /api/queues/{queue}/purge`: drop the jobs of one state; ready ones when no state is named."""
    body = await call.model(Purge)
    queue = queue_of(call)
    dropped = 0
    while (n := await call.store.moves.purge(queue, JobState(body.state), 500)) > 0:
        dropped += n
    return answer({"queue": queue, "state": body.state, "purged": dropped})


def may_see(call: Call, worker: WorkerView) -> bool:
    """Whether the caller may touch one of the worker's queues."""
    return any(call.principal.may_touch(queue) for queue in worker.info.get("queues", ()))


async def list_handlers(call: Call) -> Response:
    """`GET /api/handlers`: what workers published, and what this server knows itself."""
    return answer({"handlers": await handlers_of(call)})


async def handlers_of(call: Call) -> list[dict[str, object]]:
    """The handlers that are known, by name."""
    known = dict((await call.store.views.directory()).handlers)
    for spec in call.app.registry:
        known[spec.name] = orjson.loads(spec.about())
    return [
        {"name": name, **known[name]}
        for name in sorted(known)
        if call.principal.may_touch(str(known[name].get("queue", "default")))
    ]


async def get_stats(call: Call) -> Response:
    """`GET /api/stats`: totals over the queues, or over `queue=a,b`."""
    views = await _views(call, await chosen_queues(call))
    directory = await call.store.views.directory()
    counts = {s.value: sum(v.counts[s] for v in views) for s in JobState}
    totals: dict[str, int] = {}
    for view in views:
        for name, n in view.totals.items():
            totals[name] = totals.get(name, 0) + n
    lags = [v.lag_s for v in views if v.lag_s is not None]
    return answer(
        {
            "now_ms": directory.now_ms,
            "queues": len(views),
            "workers": sum(w.alive for w in directory.workers),
            "counts": counts,
            "totals": totals,
            "lag_s": max(lags) if lags else None,
        }
    )


async def views_of(call: Call) -> list[QueueView]:
    """The queues that the caller may see."""
    names = [q for q in (await call.store.views.directory()).queues if call.principal.may_touch(q)]
    return await _views(call, names)


async def chosen_queues(call: Call) -> list[str]:
    """The queues that the query names by commas, or all, as far as the caller may see them. Raises InvalidName."""
    wanted = [check_queue(name) for name in call.query("queue").split(",") if name]
    names = wanted or (await call.store.views.directory()).queues
    return [name for name in dict.fromkeys(names) if call.principal.may_touch(name)]


async def _views(call: Call, names: list[str]) -> list[QueueView]:
    return list(await asyncio.gather(*(call.store.views.queue(name) for name in names)))


def queue_of(call: Call) -> str:
    """The queue of the path. Raises Problem 404 for one that the caller may not touch."""
    name = check_queue(call.path("queue"))
    if not call.principal.may_touch(name):
        raise JobNotFound("*", name)
    return name
