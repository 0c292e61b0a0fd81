"""Whether a worker's feeds reach the server that keeps the jobs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from nexq.errors import BackendError
from nexq.store.moves import Moves
from nexq.worker.feed import Feed

#: A round trip so young needs no other one; and how long that other one may take.
FRESH_S = 5.0
LOOK_S = 1.0


async def why_not_ready(feeds: Iterable[Feed], moves: Moves) -> str:
    """What keeps the feeds from claiming, or ''. Makes a round trip where the last one is not fresh."""
    for feed in feeds:
        if feed.trouble:
            return f"queue {feed.queue!r}: {feed.trouble}"
        if time.monotonic() - feed.last_ok_mono <= FRESH_S:
            continue
        try:
            # Not feed.peek: a look from outside must not make the watchdog believe that the feed lives.
            await asyncio.wait_for(moves.peek(feed.queue), LOOK_S)
        except (BackendError, TimeoutError) as error:
            return f"queue {feed.queue!r}: {error if str(error) else 'the server does not answer'}"
    return ""
