"""Children for `mode="process"`: CPU-bound work that a timeout or a cancel really ends.

A child is a fresh interpreter (not forked: the worker has threads) in a session of its own. It keeps running jobs
until it is killed with its whole group. When the worker dies, its children notice and end.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import orjson

from nexq.depends import Context, JobInfo
from nexq.outcome import Bury, Cancel, Control, Snooze
from nexq.payload import loads
from nexq.registry import HandlerSpec

_START = "import sys; sys.path[:] = {path!r}; from nexq.worker.child import main; main({pipe}, {life})"


_CONTROLS: dict[str, Callable[[Any], Control]] = {"Snooze": Snooze, "Cancel": Cancel, "Bury": Bury}


class RemoteError(Exception):
    """A handler's error in a child. Carries the child's type name, the names of its bases, and its traceback.

    `retry`, `after_s`: what a Failure says (nexq.outcome).
    """

    def __init__(
        self, kind: str, message: str, trace: str, bases: list[str], retry: bool = True, after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.remote_type = kind
        self.remote_traceback = trace
        self.remote_bases = bases
        self.retry = retry
        self.after_s = after_s


class ChildKilled(Exception):
    """The child that ran the handler died."""


class ProcessPool:
    """Idle children wait to be used again; as many are made as jobs run at once."""

    def __init__(self) -> None:
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()

    async def run(self, handler: HandlerSpec, kwargs: dict[str, Any], context: Context) -> Any:
        """Run the handler in a child. When the caller is cancelled, the child and its group are killed."""
        child = self._take()
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

    def _take(self) -> _Child:
        """A child that waits, or a new one. One that died while it waited is no failure of the next job."""
        while self._idle:
            child = self._idle.pop()
            if child.alive:
                return child
            self._all.discard(child)
            child.kill()
        child = _Child()
        self._all.add(child)
        return child

    async def aclose(self) -> None:
        """Kill every child."""
        for child in self._all:
            child.kill()
        self._all.clear()
        self._idle.clear()


class _Child:
    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        life_read, self._life = os.pipe()
        start = _START.format(path=sys.path, pipe=theirs.fileno(), life=life_read)
        # `ours` and the pipe's other end are not passed on: they close with the worker.
        self._process = subprocess.Popen(  # noqa: S603  (our own interpreter and code)
            [sys.executable, "-c", start],
            pass_fds=(theirs.fileno(), life_read),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        os.close(life_read)
        self._pipe: Connection[Any, Any] = Connection(ours.detach())

    async def call(self, handler: HandlerSpec, kwargs: dict[str, Any], context: Context) -> Any:
        """Run a handler in the child. Raises RemoteError (its own error), ChildKilled (the child died)."""
        try:
            self._pipe.send_bytes(_request(handler, kwargs, context))
            reply = await self._receive()
            while "report" in reply:
                context.take_report(*reply["report"])
                reply = await self._receive()
        except (EOFError, OSError) as error:
            raise ChildKilled(f"the handler's process died ({self._exit()})") from error
        if "error" in reply:
            raise RemoteError(*reply["error"])
        if "control" in reply:
            kind, argument = reply["control"]
            return _CONTROLS[kind](argument)
        return loads(reply["value"].encode())

    async def _receive(self) -> dict[str, Any]:
        """The child's next message."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()
        fd = self._pipe.fileno()
        loop.add_reader(fd, _wake, told)
        try:
            await told
            message: dict[str, Any] = orjson.loads(self._pipe.recv_bytes())
            return message
        finally:
            loop.remove_reader(fd)

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill the child and everything it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._pipe.close()
        os.close(self._life)
        self._process.wait(5.0)

    def _exit(self) -> str:
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "its pipe closed"
        return f"signal {-code}" if code < 0 else f"exit code {code}"


def _request(handler: HandlerSpec, kwargs: dict[str, Any], context: Context) -> bytes:
    main_file = getattr(sys.modules["__main__"], "__file__", None) if handler.fn.__module__ == "__main__" else None
    return orjson.dumps(
        {
            "path": sys.path,
            "module": handler.fn.__module__,
            "main_file": main_file,
            "name": handler.fn.__qualname__,
            # As JSON again: the child checks and converts the arguments itself.
            "kwargs": handler.signature.pack((), kwargs, limit=1 << 40).decode(),
            "job": [getattr(context.job, f) for f in JobInfo.__slots__],
            "worker": (context.log.extra or {}).get("worker", ""),
            "reports": context.reports,
            "run": [context.attempt, context.max_attempts, context.delivery, context.token, context.deadline],
        }
    )


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
