"""Signals: the first SIGTERM or SIGINT drains, the second gives running jobs back at once, the third kills."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from typing import Protocol

log = logging.getLogger("nexq.worker")


class Stoppable(Protocol):
    """A worker."""

    async def run(self) -> None:
        """Work until stopped."""
        ...

    def stop(self) -> None:
        """Drain."""
        ...

    def hurry(self) -> None:
        """Do not wait any longer."""
        ...


#: What a worker's first and second signal do.
OF_WORKER = ("running jobs may end; again to give them back now", "running jobs are given back")


async def run_until_signal(worker: Stoppable, meaning: tuple[str, str] = OF_WORKER) -> None:
    """Run a worker until it stops by itself or is told to by signals; `meaning` says in the log what they do."""
    loop = asyncio.get_running_loop()
    count = 0

    def on_signal() -> None:
        nonlocal count
        count += 1
        if count == 1:
            log.info("stopping: %s", meaning[0])
            worker.stop()
        elif count == 2:
            log.info("stopping now: %s", meaning[1])
            worker.hurry()
        else:
            os._exit(130)

    signals = (signal.SIGTERM, signal.SIGINT)
    for number in signals:
        loop.add_signal_handler(number, on_signal)
    try:
        await worker.run()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
