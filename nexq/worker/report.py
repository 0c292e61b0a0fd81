"""What a worker says of itself and of its jobs: to the register, and to the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import orjson

from nexq.errors import BackendError
from nexq.outcome import Outcome
from nexq.registry import Registry
from nexq.store import Store
from nexq.worker.running import Running

log = logging.getLogger("nexq.worker")


async def publish(store: Store, queues: Iterable[str], registry: Registry) -> None:
    """Make the queues and handlers known. Not worth failing for: tried again by nobody, missed by a listing."""
    try:
        for queue in queues:
            await store.make_known(queue)
        await store.members.register("", {h.name: h.about() for h in registry})
    except BackendError as error:
        log.warning("the handlers could not be made known: %s", error)


def log_outcome(running: Running, outcome: Outcome, worker: str) -> None:
    """One line for a run that did not complete."""
    level = logging.ERROR if outcome.kind == "bury" else logging.WARNING if outcome.kind == "retry" else logging.INFO
    if not log.isEnabledFor(level):
        return
    wait = f" in {outcome.delay_s:.3g} s" if outcome.delay_s else ""
    error = orjson.loads(outcome.detail)
    why = ": ".join(str(error[k]) for k in ("type", "message") if error.get(k))
    claim = running.claim
    extra = {
        "job_id": claim.id.decode(),
        "job_type": claim.spec[9 : claim.spec.find(b"\n")].decode(errors="replace"),
        "queue": running.queue,
        "attempt": int(claim.counts.split(b" ", 1)[0] or 1),
        "worker": worker,
    }
    log.log(level, "job %s: %s%s%s", extra["job_id"], outcome.kind, wait, f" ({why[:300]})" if why else "", extra=extra)
