"""The same names without async: coroutines run on a loop in a thread of their own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from nexq.app.job import Job
from nexq.clock import Duration
from nexq.errors import NexqError
from nexq.job import JobRecord
from nexq.states import JobState

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class SyncRunner:
    """A loop in a daemon thread, started at first use; a forked child starts its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its value."""
        loop = self._started()
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise NexqError("The sync names cannot be used inside the loop; use the async ones.")
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Run a last coroutine where the loop was started, and stop it."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or self._pid != os.getpid():
            return
        if last is not None:
            asyncio.run_coroutine_threadsafe(last(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5.0)
        loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="nexq-sync", daemon=True)
                self._thread.start()
            return self._loop


class SyncJob(Generic[R_co]):
    """A `Job` without async."""

    def __init__(self, runner: SyncRunner, job: Job[R_co]) -> None:
        self._runner = runner
        self._job = job

    @property
    def id(self) -> str:
        """The job's id."""
        return self._job.id

    @property
    def queue(self) -> str:
        """The job's queue."""
        return self._job.queue

    @property
    def duplicate(self) -> bool:
        """Whether the enqueue found the job already there."""
        return self._job.duplicate

    def refresh(self) -> JobRecord:
        """See Job.refresh."""
        return self._runner.run(self._job.refresh())

    def state(self) -> JobState:
        """See Job.state."""
        return self._runner.run(self._job.state())

    def result(self, timeout: Duration | None = None) -> R_co:
        """See Job.result."""
        return self._runner.run(self._job.result(timeout))

    def cancel(self) -> JobState:
        """See Job.cancel."""
        return self._runner.run(self._job.cancel())

    def __repr__(self) -> str:
        return f"Sync{self._job!r}"
