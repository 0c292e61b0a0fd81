"""Wait for facts, never for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

STEP_S = 0.005


async def until(
    predicate: Callable[[], Any] | Callable[[], Awaitable[Any]], timeout_s: float = 5.0, what: str = "the condition"
) -> Any:
    """Ask the predicate (sync or async) until it gives something true, and return that. Fails after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        fact = predicate()
        if inspect.isawaitable(fact):
            fact = await fact
        if fact:
            return fact
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s for {what}")
        await asyncio.sleep(STEP_S)


def until_sync(predicate: Callable[[], Any], timeout_s: float = 5.0, what: str = "the condition") -> Any:
    """The same for code without a loop."""
    deadline = time.monotonic() + timeout_s
    while True:
        fact = predicate()
        if fact:
            return fact
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s for {what}")
        time.sleep(STEP_S)
