"""The supervisor: runs N worker processes, starts a dead one again, passes signals on, ends when all have ended.

Children are started anew, not forked. Each has a process group of its own, so that Ctrl-C on a terminal reaches them
once, through the supervisor; and each holds the reading end of a pipe whose other end dies with the supervisor.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence

from nexq.backoff import Backoff

log = logging.getLogger("nexq.supervisor")

#: A child that lives so long has started well: its failures are counted anew.
HEALTHY_S = 5.0
#: A child that fails so often in a row, each time before HEALTHY_S, is given up, and the others are stopped.
MOST_FAILURES = 5
_INTERRUPTED = (-signal.SIGTERM, -signal.SIGINT, 130)


class Supervisor:
    """Runs `command(number)` in `count` processes, numbered from 1.

    life_variable  the environment variable that tells a child the file descriptor of the life pipe
    grace_s        how long a child may take to drain, before it is killed some seconds later
    """

    def __init__(
        self,
        command: Callable[[int], Sequence[str]],
        count: int,
        life_variable: str,
        *,
        grace_s: float = 30.0,
        healthy_s: float = HEALTHY_S,
    ) -> None:
        self._command = command
        self._count = count
        self._life_variable = life_variable
        self._grace_s = grace_s
        self._healthy_s = healthy_s
        self._children: dict[int, Process] = {}
        self._signals = 0
        self._stopping = asyncio.Event()
        self._started_well = False
        self._exit_code = 0

    def run(self) -> int:
        """Supervise until every child has ended. Returns the exit code: 0, or a failed child's."""
        return asyncio.run(self._run())

    async def _run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)
        life_read, life_write = os.pipe()
        killer = asyncio.create_task(self._kill_late())
        try:
            await asyncio.gather(*(self._keep(n, life_read) for n in range(1, self._count + 1)))
        finally:
            killer.cancel()
            for child in self._children.values():
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
            os.close(life_read)
            os.close(life_write)
        return self._exit_code

    async def _keep(self, number: int, life_read: int) -> None:
        """Keep one child running."""
        backoff = Backoff(base_s=0.2, cap_s=30.0)
        failures = 0
        while not self._stopping.is_set():
            begun = time.monotonic()
            code = await self._run_child(number, life_read)
            lived_s = time.monotonic() - begun
            if code == 0 or self._stopping.is_set():
                # It ended because it should: a drain, a burst, an order.
                self._note_exit(code)
                return
            if lived_s >= self._healthy_s:
                self._started_well = True
                failures = 0
                backoff.reset()
            failures += 1
            if (code > 0 and not self._started_well) or failures >= MOST_FAILURES:
                log.error("worker process %d failed (%s) and is not started again", number, _describe(code))
                self._note_exit(code)
                self._stop(signal.SIGTERM)
                return
            wait_s = backoff.next_s()
            log.warning("worker process %d died (%s); a new one starts in %.1f s", number, _describe(code), wait_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait_s)

    async def _run_child(self, number: int, life_read: int) -> int:
        """Start a child and wait for its end. Returns its exit code, negative for a signal."""
        child = await asyncio.create_subprocess_exec(
            *self._command(number),
            stdin=subprocess.DEVNULL,
            pass_fds=(life_read,),
            process_group=0,
            env={**os.environ, self._life_variable: str(life_read)},
        )
        log.info("worker process %d: pid %d", number, child.pid)
        self._children[number] = child
        healthy = asyncio.get_running_loop().call_later(self._healthy_s, self._note_healthy)
        try:
            if self._signals:
                # The signal came while the child was being started.
                self._send(child, signal.SIGTERM)
            return await child.wait()
        finally:
            healthy.cancel()
            self._children.pop(number, None)

    def _note_healthy(self) -> None:
        self._started_well = True

    def _note_exit(self, code: int) -> None:
        if 0 < self._signals < 3 and code in _INTERRUPTED:
            # It had not got so far as to drain: it was still starting.
            return
        if code and not self._exit_code:
            self._exit_code = code if code > 0 else 128 - code

    def _on_signal(self, number: signal.Signals) -> None:
        self._signals += 1
        log.info("%s: passed on to %d processes", number.name, len(self._children))
        self._stop(number)

    def _stop(self, number: signal.Signals) -> None:
        self._stopping.set()
        for child in self._children.values():
            self._send(child, number)

    def _send(self, child: Process, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)

    async def _kill_late(self) -> None:
        """Kill what has not ended long after its grace."""
        await self._stopping.wait()
        await asyncio.sleep(self._grace_s + 20.0)
        for number, child in self._children.items():
            log.error("worker process %d did not end; it is killed", number)
            with contextlib.suppress(ProcessLookupError):
                child.kill()


def _describe(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
