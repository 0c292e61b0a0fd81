"""Whether the server lives, and whether it is ready."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from starlette.responses import PlainTextResponse, Response

from nexq.errors import NexqError
from nexq.web.call import Call

#: How long /readyz waits for the store.
STORE_S = 2.0


async def livez(call: Call) -> Response:
    """`GET /livez`: 200 as long as the process answers."""
    return PlainTextResponse("ok\n")


async def readyz(call: Call) -> Response:
    """`GET /readyz`: 200 when the last round trip to the store is fresh; 503 while starting, stopping, or without it.

    What is fresh says `state.ready` of the application, a function that gives the reason why not, or ''. Without one,
    the store is asked.
    """
    ready = cast("Callable[[], str] | None", getattr(call.request.app.state, "ready", None))
    try:
        why = ready() if ready is not None else await _ask(call)
    except (NexqError, TimeoutError) as error:
        why = str(error) or "the server that keeps the jobs does not answer"
    if why:
        return PlainTextResponse(f"not ready: {why}\n", 503, {"Retry-After": "1"})
    return PlainTextResponse("ready\n")


async def _ask(call: Call) -> str:
    async with asyncio.timeout(STORE_S):
        await call.store.views.directory()
    return ""
