"""Outcomes: what the executor decides of a run. The store records them; the executor never sees the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from nexq.clock import Duration, seconds

Kind = Literal["complete", "retry", "bury", "snooze", "cancel", "release"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a claim ends.

    complete  done; `result` is JSON, b"" for None
    retry     failed, again after `delay_s`
    bury      to the dead set
    snooze    the handler asked to run later, after `delay_s`; not an attempt
    cancel    ended by request
    release   given back unrun, to be claimed again after `delay_s`; not an attempt
    `detail` is JSON about the failure, for the job's history.
    """

    kind: Kind
    result: bytes = b""
    delay_s: float = 0.0
    detail: bytes = b"{}"


#: The outcome of most handlers: done, returned None.
DONE: Final = Outcome("complete")


class Control:
    """What a handler may return to say how its job goes on, instead of a result."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Snooze(Control):
    """Return it from a handler: run this job again after `delay` seconds; not counted as an attempt."""

    delay: Duration


@dataclass(frozen=True, slots=True)
class Cancel(Control):
    """Return it from a handler: end this job as cancelled."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Bury(Control):
    """Return it from a handler: put this job into the dead set now, whatever attempts are left."""

    reason: str = ""


class Failure(Exception):
    """Raise it, or a kind of it, from a handler for a failure whose text says all: no traceback is kept.

    retry  False: to the dead set at once, whatever attempts are left
    after  the next attempt is not made before so many seconds, or timedelta (a `Retry-After`); never shortens a wait
    """

    def __init__(self, message: str, *, retry: bool = True, after: Duration | None = None) -> None:
        super().__init__(message)
        self.retry = retry
        self.after_s = 0.0 if after is None else seconds(after, "after")
