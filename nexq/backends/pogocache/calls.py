"""Calls, and the entry that they make together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from nexq.backends.pogocache.entry import seal
from nexq.backends.pogocache.machine import Answer, Failed, run_row, script_row
from nexq.backends.pogocache.replica import Replica, Tip
from nexq.engine import Reply
from nexq.engine.rows import Row
from nexq.errors import OutcomeUnknown, ScriptFailed
from nexq.scripts import Script

#: Most calls, and about how many bytes, in one entry.
MOST_CALLS = 1000
MOST_BYTES = 1 << 20


class Call:
    """A script's run, as it is wanted. `guard`: with nothing at any of these keys the call is answered with nil."""

    __slots__ = ("args", "future", "guard", "keys", "script", "sent")

    def __init__(self, script: Script, keys: list[bytes], args: list[bytes], guard: Sequence[bytes] = ()) -> None:
        self.script = script
        self.keys = keys
        self.args = args
        self.guard = guard
        #: Whether it may be in the log.
        self.sent = False
        self.future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def answer(self, answer: Answer) -> None:
        """Resolve the future."""
        if self.future.done():
            return
        if isinstance(answer, Failed):
            self.future.set_exception(ScriptFailed(answer))
        else:
            self.future.set_result(answer)

    def fail(self, error: Exception) -> None:
        """Resolve the future."""
        if not self.future.done():
            self.future.set_exception(error)


class Batch:
    """The calls of one entry, and its bytes for the place where it was tried last. `number`: the writer's count."""

    def __init__(self, number: int, calls: list[Call]) -> None:
        self.number = number
        self.calls = calls
        self.raw = b""
        #: Whether the log was seen to be whole after the entry was.
        self.sound = False
        self._place: tuple[str, bytes] | None = None

    def place(self, replica: Replica, writer: bytes, tip: Tip) -> None:
        """Make the entry's bytes for the place after the tip, unless they are made already.

        To be called only where it is known that the entry is in the log at no earlier place.
        """
        place = (tip.epoch.id, tip.hash)
        if self._place == place:
            return
        # What has become pointless is left out.
        for call in [c for c in self.calls if c.guard and not replica.any_there(c.guard)]:
            call.answer(None)
            self.calls.remove(call)
        if self.calls:
            self._place = place
            rows, time_us = self._rows(replica), replica.time_us()
            self.raw = seal(tip.epoch.epoch, tip.position + 1, time_us, writer, self.number, tip.hash, tip.digest, rows)
            for call in self.calls:
                call.sent = True

    def _rows(self, replica: Replica) -> list[Row]:
        rows: list[Row] = []
        fresh: set[str] = set()
        for call in self.calls:
            if call.script.sha not in fresh and not replica.knows(call.script):
                fresh.add(call.script.sha)
                rows.append(script_row(call.script))
            rows.append(run_row(call.script, call.keys, call.args))
        return rows

    def answer(self, answers: list[Answer] | None) -> None:
        """Resolve the calls; None: what they were answered is gone."""
        if answers is None or len(answers) != len(self.calls):
            for call in self.calls:
                call.fail(OutcomeUnknown(call.script.name, [], "it was done, but its answer is gone"))
            return
        for call, answer in zip(self.calls, answers, strict=True):
            call.answer(answer)


def gather(waiting: deque[Call], number: int) -> Batch | None:
    """The next entry's calls, taken from those that wait; None: there are none. `number`: of the writer's entry."""
    calls: list[Call] = []
    size = 0
    while waiting and len(calls) < MOST_CALLS and size < MOST_BYTES:
        call = waiting.popleft()
        if call.future.done():
            continue
        calls.append(call)
        size += sum(map(len, call.args)) + 400
    return Batch(number, calls) if calls else None
