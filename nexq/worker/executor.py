"""The executor runs one job and decides its outcome. It never sees the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import Any

import orjson

from nexq.clock import seconds
from nexq.depends import Context, JobInfo
from nexq.errors import InvalidPayload
from nexq.job import Spec
from nexq.journal import JobLog, Journal
from nexq.outcome import DONE, Bury, Cancel, Control, Failure, Outcome, Snooze
from nexq.payload import dump_json
from nexq.registry import HandlerSpec, Registry
from nexq.worker.failure import describe, ordinary
from nexq.worker.inject import Injector
from nexq.worker.processes import ChildKilled, ProcessPool, RemoteError
from nexq.worker.running import Running
from nexq.worker.threads import Threads

log = logging.getLogger("nexq.job")

#: A type that this worker does not know is offered again after this long, to another worker or a newer deploy.
UNKNOWN_TYPE_DELAY_S = 5.0
#: A batch of outcomes this large still passes the servers' limits (512 MB an argument, 1 GB a query).
RESULT_BYTES = 1 << 20


class TimedOut(Exception):
    """The handler did not end within its timeout."""


class Executor:
    """Runs handlers: async ones on the loop, sync ones in threads, `process` ones in killable children."""

    def __init__(
        self,
        registry: Registry,
        worker: str = "",
        built_in: Iterable[HandlerSpec] = (),
        open_journal: Callable[[Running, int], Journal] | None = None,
        keep_log: bool = True,
    ) -> None:
        self._worker = worker
        self._open_journal = open_journal
        self._keep_log = keep_log
        self._handlers = {h.name.encode(): h for h in (*built_in, *registry)}
        self._threads = Threads()
        self._processes = ProcessPool()
        self._injector = Injector()

    async def run(self, running: Running) -> Outcome:
        """Run the job; whatever happens becomes an Outcome."""
        raw = running.claim.spec
        # The short form of the spec (nexq.job.Spec), read in place: this is the hot path.
        options: dict[str, Any] | None = None
        if raw[8] < 97:
            name, payload = raw[9:].split(b"\n", 1)
        else:
            spec = Spec.unpack(raw)
            name, payload, options = spec.type.encode(), spec.payload, spec.options
        handler = self._handlers.get(name)
        if handler is None:
            return _unknown_type(name)
        timeout_s = handler.timeout_s
        if options:
            timeout_s = options.get("timeout_s", timeout_s)
            if "expires_s" in options and (late := _expired(running, options["expires_s"])) is not None:
                return late
        try:
            kwargs = handler.signature.parse(payload)
            if handler.mode == "async" and timeout_s is None and not handler.signature.injects:
                value = await handler.fn(**kwargs)
            else:
                value = await self._run_fully(handler, running, kwargs, timeout_s, options)
            if value is None:
                return DONE
            if isinstance(value, Control):
                return _controlled(value)
            return Outcome("complete", _dump_result(value))
        except BaseException as error:
            if running.stop:
                return self._stopped(running)
            return _failed(handler, running, ordinary(error), options)

    async def aclose(self) -> None:
        """Close worker-scoped dependencies, end the children and let the threads go."""
        try:
            await self._injector.aclose()
        except Exception:
            log.exception("a dependency of the worker could not be cleaned up")
        await self._processes.aclose()
        self._threads.close()

    async def _run_fully(
        self,
        handler: HandlerSpec,
        running: Running,
        kwargs: dict[str, Any],
        timeout_s: float | None,
        options: dict[str, Any] | None,
    ) -> Any:
        """Run with timeout, context and dependencies."""
        context = self._context(handler, running, timeout_s, options)
        deadline = asyncio.timeout(timeout_s)
        failure: BaseException | None = None
        try:
            async with deadline, contextlib.AsyncExitStack() as stack:
                try:
                    if handler.mode == "process":
                        return await self._processes.run(handler, kwargs, context)
                    if handler.signature.injects:
                        kwargs |= await self._injector.resolve(handler.signature.injects, context, stack)
                    if handler.mode == "async":
                        return await handler.fn(**kwargs)
                    return await self._in_thread(partial(handler.fn, **kwargs), running)
                except BaseException as error:
                    failure = error
                    raise
            # A dependency swallowed the failure: that does not make the job complete.
            assert failure is not None
            raise failure
        except (TimeoutError, asyncio.CancelledError) as error:
            if deadline.expired() and not running.stop:
                running.cancelled.set()
                raise TimedOut(f"no end within {timeout_s:g} s") from error
            raise
        finally:
            failure = None

    async def _in_thread(self, call: Callable[[], Any], running: Running) -> Any:
        """Call in a thread. A thread cannot be killed: on timeout its job is settled while it runs on."""
        future = self._threads.call(partial(copy_context().run, call))
        while True:
            try:
                value, error = await asyncio.shield(future)
                break
            except asyncio.CancelledError:
                # Asked to stop: the handler sees ctx.cancelled and may still end in its own way.
                if future.done() or running.stop != "cancel":
                    raise
                running.cancelled.set()
        if error is not None:
            raise error
        return value

    def _stopped(self, running: Running) -> Outcome:
        if running.stop == "cancel":
            return Outcome("cancel", detail=b'{"type":"Cancelled","message":"asked to cancel while running"}')
        if running.stop == "lost":
            return Outcome("release")
        return Outcome("release", detail=b'{"type":"Shutdown","message":"the worker stopped; given back"}')

    def _context(
        self, handler: HandlerSpec, running: Running, timeout_s: float | None, options: dict[str, Any] | None
    ) -> Context:
        claim = running.claim
        spec = Spec.unpack(claim.spec)
        attempt, delivery = _counts(claim.counts)
        info = JobInfo(claim.id.decode(), spec.type, running.queue, spec.priority, spec.enqueued_ms)
        extra = {
            "job_id": info.id,
            "job_type": info.type,
            "queue": info.queue,
            "attempt": attempt,
            "worker": self._worker,
        }
        journal = self._open_journal(running, attempt) if self._open_journal is not None else None
        return Context(
            job=info,
            attempt=attempt,
            max_attempts=_max_attempts(handler, options),
            delivery=delivery,
            token=claim.token,
            deadline=None if timeout_s is None else time.time() + timeout_s,
            log=JobLog(log, extra, journal if self._keep_log else None),
            _cancelled=running.cancelled,
            _journal=journal,
        )


def _counts(counts: bytes) -> tuple[int, int]:
    """(attempt, delivery) of a claim."""
    if not counts:
        return 1, 1
    attempt, delivery, _ = counts.split(b" ")
    return int(attempt), int(delivery)


def _max_attempts(handler: HandlerSpec, options: dict[str, Any] | None) -> int:
    return int((options or {}).get("max_attempts", handler.retry.max_attempts))


def _expired(running: Running, expires_s: float) -> Outcome | None:
    """The outcome of a job that was not begun in time. One that was begun once goes on, however late."""
    claim = running.claim
    waited_s = time.time() - Spec.unpack(claim.spec).enqueued_ms / 1000
    if waited_s <= expires_s or _counts(claim.counts)[0] > 1:
        return None
    text = f"not begun within {expires_s:g} s of its enqueue"
    return Outcome("cancel", detail=orjson.dumps({"type": "Expired", "message": text}))


def _unknown_type(name: bytes) -> Outcome:
    text = f"no handler for {name.decode()!r} in this worker; given back"
    detail = orjson.dumps({"type": "UnknownHandler", "message": text})
    return Outcome("release", delay_s=UNKNOWN_TYPE_DELAY_S, detail=detail)


def _controlled(value: Control) -> Outcome:
    if isinstance(value, Snooze):
        delay = value.delay
        return Outcome("snooze", delay_s=seconds(delay if isinstance(delay, timedelta) else max(delay, 0.0), "Snooze"))
    if isinstance(value, Cancel):
        return Outcome("cancel", detail=orjson.dumps({"type": "Cancel", "message": value.reason}))
    reason = value.reason if isinstance(value, Bury) else ""
    return Outcome("bury", detail=orjson.dumps({"type": "Bury", "message": reason}))


def _dump_result(value: Any) -> bytes:
    """The result as JSON. Raises InvalidPayload for what is not JSON, or too large."""
    raw = dump_json(value, "result")
    if len(raw) > RESULT_BYTES:
        raise InvalidPayload(
            f"The result has {len(raw):,} bytes; the limit is {RESULT_BYTES:,}. "
            "Keep it elsewhere and return a reference."
        )
    return raw


def broken(error: BaseException) -> Outcome:
    """The outcome of a job that could not even be looked at: a damaged record, or a defect of nexq."""
    return Outcome("bury", detail=describe(error))


def _failed(handler: HandlerSpec, running: Running, error: BaseException, options: dict[str, Any] | None) -> Outcome:
    """Retry or bury, by the handler's policy."""
    attempt, _ = _counts(running.claim.counts)
    detail = describe(error)
    if isinstance(error, InvalidPayload):
        return Outcome("bury", detail=detail)
    # A Failure has its own say, also one that came from a child.
    after_s = 0.0
    if isinstance(error, (Failure, RemoteError)):
        if not error.retry:
            return Outcome("bury", detail=detail)
        after_s = error.after_s
    # A timeout and a killed child are reasons to retry unless the policy names its errors.
    known = TimeoutError() if isinstance(error, (TimedOut, ChildKilled)) else error
    if handler.retry.allows(known, attempt, _max_attempts(handler, options)):
        return Outcome("retry", delay_s=max(after_s, handler.retry.wait_s(attempt)), detail=detail)
    return Outcome("bury", detail=detail)
