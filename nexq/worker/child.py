"""The child's side of `mode="process"`: one request, one reply, until the pipe closes."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import runpy
import signal
import sys
import threading
from contextlib import AsyncExitStack
from datetime import timedelta
from multiprocessing.connection import Connection
from typing import Any

import orjson

from nexq.depends import Context, JobInfo
from nexq.journal import JobLog, Journal
from nexq.outcome import Control, Failure, Snooze
from nexq.payload import dump_json
from nexq.registry import HandlerSpec
from nexq.worker.failure import clean, ordinary, text_of, trace_of
from nexq.worker.inject import Injector

_main: dict[str, Any] = {}


def main(pipe_fd: int, life_fd: int) -> None:
    """Serve requests on pipe_fd. life_fd is open as long as the worker lives: at its end the group ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_worker, args=(life_fd,), daemon=True).start()
    pipe: Connection[Any, Any] = Connection(pipe_fd)
    while True:
        try:
            request = orjson.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        try:
            reply = _reply(_call(request, pipe))
        except BaseException as error:
            reply = _failure(error)
        with _handing_in:
            pipe.send_bytes(orjson.dumps(reply))


def _reply(value: Any) -> dict[str, Any]:
    if isinstance(value, Snooze):
        delay = value.delay
        return {"control": ["Snooze", delay.total_seconds() if isinstance(delay, timedelta) else delay]}
    if isinstance(value, Control):
        return {"control": [type(value).__name__, getattr(value, "reason", "")]}
    return {"value": dump_json(value, "result").decode()}


def _failure(error: BaseException) -> dict[str, Any]:
    trace = trace_of(error)
    error = ordinary(error)
    bases = [k.__name__ for k in type(error).__mro__]
    policy = [error.retry, error.after_s] if isinstance(error, Failure) else []
    return {"error": [*map(clean, (type(error).__name__, text_of(error), trace)), bases, *policy]}


def _die_with_worker(life_fd: int) -> None:
    """The worker never writes; the read ends when its last copy of the pipe is closed, by kill -9 too."""
    os.read(life_fd, 1)
    os.killpg(0, signal.SIGKILL)


def _call(request: dict[str, Any], pipe: Connection[Any, Any]) -> Any:
    """Import the handler's module, find the function, run it."""
    sys.path[:] = request["path"]
    spec = _find(request["module"], request["main_file"], request["name"])
    kwargs = spec.signature.parse(request["kwargs"].encode())
    return asyncio.run(_run(spec, kwargs, _context_of(request, pipe)))


def _find(module: str, main_file: str | None, name: str) -> HandlerSpec:
    if main_file is None:
        found: Any = importlib.import_module(module)
    else:
        # The worker's own script: run it under another name, so that its `if __name__ == "__main__"` does not start.
        if main_file not in _main:
            _main[main_file] = type("Script", (), runpy.run_path(main_file, run_name="__nexq_child__"))
        found = _main[main_file]
    for part in name.split("."):
        found = getattr(found, part)
    spec = getattr(found, "spec", None)
    if not isinstance(spec, HandlerSpec):
        raise RuntimeError(
            f"{module}.{name} is not a nexq handler in the child process; is it registered by decorator?"
        )
    return spec


async def _run(spec: HandlerSpec, kwargs: dict[str, Any], context: Context) -> Any:
    async with AsyncExitStack() as stack:
        injector = Injector()
        stack.push_async_callback(injector.aclose)
        kwargs |= await injector.resolve(spec.signature.injects, context, stack)
        if asyncio.iscoroutinefunction(spec.fn):
            return await spec.fn(**kwargs)
        return spec.fn(**kwargs)


def _context_of(request: dict[str, Any], pipe: Connection[Any, Any]) -> Context:
    job = JobInfo(*request["job"])
    attempt, max_attempts, delivery, token, deadline = request["run"]
    extra = {
        "job_id": job.id,
        "job_type": job.type,
        "queue": job.queue,
        "attempt": attempt,
        "worker": request["worker"],
    }
    takes, keeps = request["reports"]
    journal = _open_journal(attempt, pipe) if takes else None
    log = JobLog(logging.getLogger("nexq.job"), extra, journal if keeps else None)
    return Context(job, attempt, max_attempts, delivery, token, deadline, log, _journal=journal)


#: A handler may report in several threads; a message goes out whole.
_handing_in = threading.Lock()


def _open_journal(attempt: int, pipe: Connection[Any, Any]) -> Journal:
    journal = Journal(attempt, lambda: _hand_in(journal, pipe))
    return journal


def _hand_in(journal: Journal, pipe: Connection[Any, Any]) -> None:
    with _handing_in:
        progress, lines = journal.take()
        if progress or lines:
            report = [progress.decode(), [line.decode() for line in lines]]
            pipe.send_bytes(orjson.dumps({"report": report}))
