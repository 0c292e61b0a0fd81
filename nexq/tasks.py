"""Ending tasks of asyncio, for certain."""

from __future__ import annotations

import asyncio
from typing import Any


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait until it has ended; what it raises is not told.

    A cancel is given more than once: a connection that is just being opened may swallow it (wait_for of Python 3.11).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=0.05)
    if not task.cancelled():
        task.exception()
