"""Workers over HTTP: who they are, what they run, what was taken back from them, and orders for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field
from starlette.responses import Response

from nexq.job import JobRecord
from nexq.states import JobState
from nexq.store import Rerouted, Wanted, WorkerView
from nexq.web.call import Call, answer
from nexq.web.listing import Filter, collect
from nexq.web.models import WHOLE, Strict
from nexq.web.params import LONG_PAGE
from nexq.web.problems import Problem
from nexq.web.queues import may_see

#: Jobs that are shown of one worker, and jobs that were taken back from it.
MOST = 200


class Order(Strict):
    """What a worker shall do."""

    concurrency: Annotated[int | None, Field(ge=1, le=10_000), WHOLE] = None
    claiming: Annotated[bool | None, Field(description="false: claim no more; true: go on.")] = None


async def list_workers(call: Call) -> Response:
    """`GET /api/workers`."""
    directory = await call.store.views.directory()
    workers = [w.as_dict() for w in directory.workers if may_see(call, w)]
    return answer({"workers": workers, "now_ms": directory.now_ms})


async def get_worker(call: Call) -> Response:
    """`GET /api/workers/{id}`: with the jobs that it runs, and those that were taken back from it."""
    worker = _known((await call.store.views.directory()).workers, call)
    queues = [str(queue) for queue in worker.info.get("queues", ()) if call.principal.may_touch(str(queue))]
    records, more = await _running(call, worker.id, queues)
    rerouted = await _rerouted(call, queues, worker.id, MOST)
    return answer({**worker.as_dict(), "jobs": [r.as_dict() for r in records], "jobs_more": more, "rerouted": rerouted})


async def list_rerouted(call: Call) -> Response:
    """`GET /api/rerouted`: jobs that were taken back from dead workers, the newest first."""
    limit = call.page_size(LONG_PAGE)
    queues = [q for q in (await call.store.views.directory()).queues if call.principal.may_touch(q)]
    return answer({"rerouted": await _rerouted(call, queues, call.query("worker"), limit)})


async def order_worker(call: Call) -> Response:
    """`POST /api/workers/{id}/order`: change its concurrency, stop or resume its claiming."""
    body = await call.model(Order)
    worker = call.path("id")
    known = (await call.store.views.directory()).workers
    found = next((w for w in known if w.id == worker and w.alive and may_see(call, w)), None)
    if found is None:
        raise Problem(404, "worker-not-found", f"No live worker is called {worker!r}.")
    if not all(call.principal.may_touch(queue) for queue in found.info.get("queues", ())):
        raise Problem(403, "queue-not-allowed", "The worker serves queues that this token does not cover.")
    if body.concurrency is not None:
        await call.store.members.order(worker, f"concurrency {body.concurrency}")
    if body.claiming is not None:
        await call.store.members.order(worker, "resume" if body.claiming else "drain")
    return answer({"id": worker, "ordered": body.model_dump(exclude_none=True)}, 202)


def _known(workers: Iterable[WorkerView], call: Call) -> WorkerView:
    """The worker of the path, when the caller may see it. Raises Problem 404."""
    id = call.path("id")
    found = next((w for w in workers if w.id == id and may_see(call, w)), None)
    if found is None:
        raise Problem(404, "worker-not-found", f"No worker is called {id!r}.")
    return found


async def _running(call: Call, worker: str, queues: list[str]) -> tuple[list[JobRecord], bool]:
    """The jobs that a worker runs, and whether there are more."""
    records: list[JobRecord] = []
    for queue in queues:
        wanted = Filter(queue, JobState.RUNNING, Wanted(worker=worker))
        cursor: str | None = ""
        while cursor is not None:
            if len(records) >= MOST:
                return records, True
            page, cursor = await collect(call, wanted, MOST - len(records), cursor)
            records += page
    return records, False


async def _rerouted(call: Call, queues: list[str], worker: str, limit: int) -> list[dict[str, Any]]:
    """Jobs that were taken back, and where they are now."""
    views = call.store.views
    found = await asyncio.gather(*(views.rerouted(queue, worker, limit) for queue in queues))
    newest = sorted((taken for some in found for taken in some), key=lambda taken: -taken.at_ms)[:limit]
    now: dict[tuple[str, str], JobRecord] = {}
    for queue in {taken.queue for taken in newest}:
        ids = list({taken.id for taken in newest if taken.queue == queue})
        now |= {(queue, r.id): r for r in await views.get_many(queue, ids) if r is not None}
    return [_shown(taken, now.get((taken.queue, taken.id))) for taken in newest]


def _shown(taken: Rerouted, record: JobRecord | None) -> dict[str, Any]:
    return {
        "at_ms": taken.at_ms,
        "id": taken.id,
        "queue": taken.queue,
        "from": taken.worker,
        "became": taken.became,
        "type": record.spec.type if record else None,
        "state": record.state.value if record else None,
        "worker": record.run.worker or None if record else None,
    }
