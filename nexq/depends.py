"""What a handler's parameter may ask for besides its payload: the context, and dependencies."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast, overload

from nexq.journal import JobLog, Journal

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class JobInfo:
    """The job that a handler runs."""

    id: str
    type: str
    queue: str
    priority: int
    enqueued_ms: int


@dataclass(slots=True)
class Context:
    """What a handler may know of its run. Ask for it by a parameter annotated `Context`.

    job         id, type, queue, priority, enqueued_ms
    attempt     this run's number among those that count, from 1;  max_attempts: when it is the last
    delivery    this claim's number, those of dead workers included
    token       the fencing token: larger for each later claim; hand it to stores that can compare it
    deadline    Unix time in seconds when the timeout ends the run, None without a timeout
    log         a logger whose records carry job_id, job_type, queue, attempt and worker; what it logs from INFO on is
                kept beside the job (NEXQ_JOB_LOG=0 turns that off)
    """

    job: JobInfo
    attempt: int
    max_attempts: int
    delivery: int
    token: int
    deadline: float | None
    log: logging.LoggerAdapter[logging.Logger]
    _cancelled: threading.Event = field(default_factory=threading.Event, repr=False)
    _journal: Journal | None = field(default=None, repr=False)

    def progress(self, fraction: float, text: str = "") -> None:
        """Tell how far the run is: 0 to 1, and a few words. Shown beside the job; may be called often, in any thread.

        Raises ValueError for what is no number.
        """
        if self._journal is not None:
            self._journal.progress(fraction, text)

    def take_report(self, progress: str, lines: list[str]) -> None:
        """Take in what a child process gathered."""
        if self._journal is not None:
            self._journal.add(progress.encode(), [line.encode() for line in lines])

    @property
    def reports(self) -> tuple[bool, bool]:
        """Whether progress is taken, and whether what is logged is kept too."""
        return self._journal is not None, isinstance(self.log, JobLog) and self.log.keeps

    @property
    def cancelled(self) -> bool:
        """Whether the job was asked to stop, or its lease was lost. Sync handlers look here now and then."""
        return self._cancelled.is_set()

    @property
    def last_attempt(self) -> bool:
        """Whether a failure of this run buries the job."""
        return self.attempt >= self.max_attempts


#: A default for a `Context` parameter, so that type checkers let callers leave it out: `ctx: Context = CONTEXT`.
CONTEXT: Context = cast(Context, type("_ContextWanted", (), {"__repr__": lambda self: "CONTEXT"})())

Scope = Literal["job", "worker"]


@dataclass(frozen=True)
class Dependency:
    """A parameter's wish for what `provide` gives. Made by `Depends`."""

    provide: Callable[..., Any]
    scope: Scope = "job"


@overload
def Depends(provide: Callable[..., AbstractAsyncContextManager[T]], *, scope: Scope = "job") -> T: ...
@overload
def Depends(provide: Callable[..., AbstractContextManager[T]], *, scope: Scope = "job") -> T: ...
@overload
def Depends(provide: Callable[..., AsyncIterator[T]], *, scope: Scope = "job") -> T: ...
@overload
def Depends(provide: Callable[..., Iterator[T]], *, scope: Scope = "job") -> T: ...
@overload
def Depends(provide: Callable[..., Awaitable[T]], *, scope: Scope = "job") -> T: ...
@overload
def Depends(provide: Callable[..., T], *, scope: Scope = "job") -> T: ...
def Depends(provide: Callable[..., Any], *, scope: Scope = "job") -> Any:
    """A default value that asks for a dependency: `smtp: SMTP = Depends(get_smtp)`.

    `provide` is a function or coroutine function that returns the value, a generator or async generator that yields
    it once and cleans up afterwards, or returns a context manager. It may have `Context` and `Depends` parameters
    of its own. scope "job": made for each run; "worker": made once, kept until the worker stops.
    """
    return Dependency(provide, scope)
