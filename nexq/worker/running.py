"""One job in a worker's hands, from claim to outcome."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any, Literal

from nexq.store.moves import Claim

Stop = Literal["", "cancel", "lost", "shutdown"]


class Running:
    """A claim in this worker's hands: waiting in its backlog, or run by a task."""

    __slots__ = ("_cancelled", "claim", "claimed_mono", "queue", "stop", "task")

    def __init__(self, queue: str, claim: Claim) -> None:
        self.queue = queue
        self.claim = claim
        self.claimed_mono = time.monotonic()
        self.task: asyncio.Task[Any] | None = None
        #: Why it shall stop, '' while it may go on.
        self.stop: Stop = ""
        self._cancelled: threading.Event | None = None

    @property
    def cancelled(self) -> threading.Event:
        """Set when the job shall stop: what `Context.cancelled` shows."""
        if self._cancelled is None:
            self._cancelled = threading.Event()
            if self.stop:
                self._cancelled.set()
        return self._cancelled

    def ask_to_stop(self, why: Stop) -> None:
        """Tell the handler to end: its task is cancelled, its context says so."""
        if self.stop:
            return
        self.stop = why
        if self._cancelled is not None:
            self._cancelled.set()
        if self.task is not None:
            self.task.cancel(f"nexq: {why}")
