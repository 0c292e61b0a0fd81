"""The waker blocks on the queues' wake lists while the worker has free slots, and kicks the feed that was called.

A full worker does not listen: it would take a wake-up that another could use.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping

from nexq.backoff import Backoff
from nexq.errors import BackendError
from nexq.keys import queue_keys
from nexq.store import Store
from nexq.worker.feed import Feed

log = logging.getLogger("nexq.worker")

#: The longest block; after it the feeds peek. A connection that went silent is noticed a call's timeout later.
BLOCK_S = 15.0


class Waker:
    """Listens for wake-ups of some feeds."""

    def __init__(self, store: Store, feeds: Mapping[str, Feed], lease_s: float) -> None:
        # Within a lease, so that the end of another worker's lease is known before it comes.
        self._block_s = min(BLOCK_S, lease_s)
        self._backend = store.backend
        self._moves = store.moves
        self._feeds = {queue_keys(store.namespace, queue)["wake"]: feed for queue, feed in feeds.items()}
        self.hungry = asyncio.Event()
        self.hungry.set()

    async def run(self) -> None:
        """Listen until cancelled."""
        keys = list(self._feeds)
        backoff = Backoff(cap_s=0.5)
        while True:
            await self.hungry.wait()
            try:
                woken = await self._backend.wait(keys, self._block_s, eager=True)
                if woken is None:
                    await asyncio.gather(*(feed.peek() for feed in self._feeds.values()))
            except BackendError as error:
                log.debug("waiting failed: %s", error)
                await asyncio.sleep(backoff.next_s())
                # Wake-ups may have been missed meanwhile.
                for feed in self._feeds.values():
                    feed.look()
                continue
            backoff.reset()
            if woken is None:
                continue
            feed = self._feeds[woken[0]]
            feed.look()
            if not self.hungry.is_set():
                # The slots filled up while it listened.
                with contextlib.suppress(BackendError):
                    await self._moves.wake(feed.queue)
