"""Outcomes: what the executor decides of a run. The store records them; the executor never sees the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from nexq.clock import Duration

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
