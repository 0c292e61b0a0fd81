"""Children for `mode="process"`: CPU-bound work that a timeout or a cancel really ends.

A child is a fresh interpreter (spawned, not forked: the worker has threads) in a process group of its own. It keeps
running jobs until it is killed with its whole group, or told to go.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import orjson

from nexq.depends import Context, JobInfo
from nexq.payload import dump_json, loads
from nexq.registry import HandlerSpec

_SPAWN = multiprocessing.get_context("spawn")


class RemoteError(Exception):
    """A handler's error in a child. Carries the child's type name and traceback."""

    def __init__(self, kind: str, message: str, trace: str, bases: list[str]) -> None:
        super().__init__(message)
        self.remote_type = kind
        self.remote_traceback = trace
        self.remote_bases = bases


class ChildKilled(Exception):
    """The child that ran the handler died."""


class ProcessPool:
    """Idle children wait to be used again; as many are made as jobs run at once."""

    def __init__(self) -> None:
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()

    async def run(self, handler: HandlerSpec, kwargs: dict[str, Any], context: Context) -> Any:
        """Run the handler in a child. When the caller is cancelled, the child and its group are killed."""
        child = self._idle.pop() if self._idle else await asyncio.to_thread(_Child)
        self._all.add(child)
        try:
            value = await child.call(handler, kwargs, context)
        except RemoteError:
            self._idle.append(child)
            raise
        except BaseException:
            self._all.discard(child)
            child.kill()
            raise
        self._idle.append(child)
        return value

    async def aclose(self) -> None:
        """Kill every child."""
        for child in self._all:
            child.kill()
        self._all.clear()
        self._idle.clear()


class _Child:
    def __init__(self) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process: SpawnProcess = _SPAWN.Process(target=_serve, args=(theirs, list(sys.path)), daemon=True)
        self._process.start()
        theirs.close()

    async def call(self, handler: HandlerSpec, kwargs: dict[str, Any], context: Context) -> Any:
        request = {
            "module": handler.fn.__module__,
            "name": handler.fn.__qualname__,
            "kwargs": dump_json(kwargs_as_json(handler, kwargs), "payload").decode(),
            "job": [getattr(context.job, f) for f in JobInfo.__slots__],
            "run": [context.attempt, context.max_attempts, context.delivery, context.token, context.deadline],
        }
        loop = asyncio.get_running_loop()
        answered = loop.create_future()
        fd = self._pipe.fileno()
        loop.add_reader(fd, _wake, answered)
        try:
            self._pipe.send_bytes(orjson.dumps(request))
            await answered
            reply = orjson.loads(self._pipe.recv_bytes())
        except (EOFError, OSError) as error:
            raise ChildKilled(f"the handler's process died ({self._exit()})") from error
        finally:
            loop.remove_reader(fd)
        if "error" in reply:
            raise RemoteError(*reply["error"])
        return loads(reply["value"].encode())

    def kill(self) -> None:
        """Kill the child and everything it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid or 0, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._pipe.close()
        self._process.join(1.0)

    def _exit(self) -> str:
        self._process.join(1.0)
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def kwargs_as_json(handler: HandlerSpec, kwargs: dict[str, Any]) -> Any:
    """The arguments as plain JSON data again: the child checks and converts them itself."""
    return loads(handler.signature.pack((), kwargs, limit=1 << 40))


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _serve(pipe: Connection, path: list[str]) -> None:
    """The child's loop: one request, one reply, until the pipe closes."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.path[:] = path
    while True:
        try:
            request = orjson.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        try:
            value = _call(request)
            reply: dict[str, Any] = {"value": dump_json(value, "result").decode()}
        except BaseException as error:
            bases = [k.__name__ for k in type(error).__mro__]
            trace = "".join(traceback.format_exception(error))
            reply = {"error": [type(error).__name__, str(error), trace, bases]}
        pipe.send_bytes(orjson.dumps(reply))


def _call(request: dict[str, Any]) -> Any:
    """Import the handler's module, find the function, run it."""
    found: Any = importlib.import_module(request["module"])
    for part in request["name"].split("."):
        found = getattr(found, part)
    spec: HandlerSpec | None = getattr(found, "spec", None)
    if spec is None:
        raise RuntimeError(f"{request['module']}.{request['name']} is not a nexq handler in the child")
    kwargs = spec.signature.parse(request["kwargs"].encode())
    return asyncio.run(_run(spec, kwargs, _context_of(request)))


async def _run(spec: HandlerSpec, kwargs: dict[str, Any], context: Context) -> Any:
    from contextlib import AsyncExitStack

    from nexq.worker.inject import Injector

    async with AsyncExitStack() as stack:
        injector = Injector()
        stack.push_async_callback(injector.aclose)
        kwargs |= await injector.resolve(spec.signature.injects, context, stack)
        if asyncio.iscoroutinefunction(spec.fn):
            return await spec.fn(**kwargs)
        return spec.fn(**kwargs)


def _context_of(request: dict[str, Any]) -> Context:
    import logging

    job = JobInfo(*request["job"])
    attempt, max_attempts, delivery, token, deadline = request["run"]
    extra = {"job_id": job.id, "job_type": job.type, "attempt": attempt}
    log = logging.LoggerAdapter(logging.getLogger("nexq.job"), extra)
    return Context(job, attempt, max_attempts, delivery, token, deadline, log)
