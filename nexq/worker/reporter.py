"""Hands in what runs report, some at a time: a job that reports often costs no more than one that reports now and
then."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

from nexq.errors import BackendError, InvalidJob
from nexq.journal import NOTHING, Journal, Report
from nexq.store import Store
from nexq.tasks import end
from nexq.worker.running import Running

log = logging.getLogger("nexq.worker")

#: What is reported within this time goes together.
GATHER_S = 0.2
#: Jobs in one call.
BATCH = 100


class Reporter:
    """Hands in the reports of one worker's runs. Reports are not outcomes: what cannot be handed in is lost."""

    def __init__(self, store: Store) -> None:
        self._moves = store.moves
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Journal, tuple[str, bytes, int]] = {}
        self._task: asyncio.Task[None] | None = None

    def open(self, running: Running, attempt: int) -> Journal:
        """The journal of a run."""
        claim = running.claim
        journal = Journal(attempt, lambda: self._wake(journal, (running.queue, claim.id, claim.token)))
        return journal

    async def aclose(self) -> None:
        """Hand in what is left."""
        if self._task is not None:
            await end(self._task)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._flush(), 2.0)

    def _wake(self, journal: Journal, of: tuple[str, bytes, int]) -> None:
        """May be called in any thread."""
        if journal in self._waiting:
            return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(partial(self._add, journal, of))

    def _add(self, journal: Journal, of: tuple[str, bytes, int]) -> None:
        self._waiting[journal] = of
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._soon(), name="nexq-reporter")

    async def _soon(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            await self._flush()

    async def _flush(self) -> None:
        waiting, self._waiting = self._waiting, {}
        by_queue: dict[str, list[tuple[bytes, int, Report]]] = {}
        for journal, (queue, id, token) in waiting.items():
            if (report := journal.take()) != NOTHING:
                by_queue.setdefault(queue, []).append((id, token, report))
        for queue, reports in by_queue.items():
            for start in range(0, len(reports), BATCH):
                try:
                    await self._moves.report(queue, reports[start : start + BATCH])
                except (BackendError, InvalidJob) as error:
                    log.warning("what jobs of queue %r reported is lost: %s", queue, error)
