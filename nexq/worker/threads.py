"""Threads for sync handlers: as many as there are jobs in them, and none of them keeps the process alive."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

#: What a call gave: its value, and its error or None.
Given = tuple[Any, BaseException | None]


class Threads:
    """Runs calls in threads. The worker's slots bound them, so there is no limit here: one that hangs costs a thread,
    not the next job its turn. They are daemons: a handler that never ends cannot hold the worker back from exiting.
    """

    def __init__(self) -> None:
        self._idle: deque[_Thread] = deque()
        self._closed = False

    def call(self, call: Callable[[], Any]) -> asyncio.Future[Given]:
        """Call in a thread. The future never fails: an error is part of what it gives."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Given] = loop.create_future()
        try:
            # The one that was idle last: its memory is warm.
            thread = self._idle.pop()
        except IndexError:
            thread = _Thread(self._back)
        thread.work.put((call, future, loop))
        return future

    def close(self) -> None:
        """Let idle threads end, and busy ones after their call."""
        self._closed = True
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().work.put(None)

    def _back(self, thread: _Thread) -> None:
        self._idle.append(thread)
        if self._closed:
            self.close()


class _Thread:
    def __init__(self, back: Callable[[_Thread], None]) -> None:
        self.work: SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Given], asyncio.AbstractEventLoop] | None]
        self.work = SimpleQueue()
        self._back = back
        threading.Thread(target=self._main, name="nexq-job", daemon=True).start()

    def _main(self) -> None:
        while (work := self.work.get()) is not None:
            call, future, loop = work
            try:
                given: Given = (call(), None)
            except BaseException as error:
                given = (None, error)
            # Nothing of the job is kept while the thread is idle.
            del work, call
            self._back(self)
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, future, given)
            del future, loop, given


def _resolve(future: asyncio.Future[Given], given: Given) -> None:
    if not future.done():
        future.set_result(given)
