"""One event loop's membership of the log: a link whose replica has joined it, and joins it anew where need be."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from nexq.backends.pogocache.end import Unsound, catch_up, propose
from nexq.backends.pogocache.entry import open_entry, seal
from nexq.backends.pogocache.join import join
from nexq.backends.pogocache.rebuild import rebuild
from nexq.backends.pogocache.replica import Replica
from nexq.backends.pogocache.wire import Link, open_link
from nexq.backends.wire import WireLost
from nexq.backoff import Backoff
from nexq.errors import BackendError, BackendUnavailable, LogError, ReplicaDiverged
from nexq.tasks import end

log = logging.getLogger("nexq.backend")

#: A log in trouble is looked at again after this long.
TROUBLE_S = 1.0
#: A lost server is looked for this long, also when nothing is wanted of it.
RETURN_S = 60.0

Step = Callable[[Link, Replica], Awaitable[None]]


class Member:
    """The link of one event loop, and the replica's place in the log that it leads to."""

    def __init__(self, replica: Replica, timeout_s: float) -> None:
        self.replica = replica
        self.closed = False
        self._timeout_s = timeout_s
        self._link: Link | None = None
        self._linking = asyncio.Lock()
        self._returner: asyncio.Task[None] | None = None

    async def linked(self) -> Link:
        """The link, with the replica in the server's epoch. Raises BackendUnavailable, LogError, ConfigError."""
        if self._link is not None and not self._link.lost and self.replica.trouble is None:
            return self._link
        async with self._linking:
            return await self._open()

    async def do(self, link: Link, step: Step) -> None:
        """Do a step at the log's end; where the log is not as it was known, join it anew first.

        Raises WireLost, BackendUnavailable, LogError, and what the step raises.
        """
        while True:
            try:
                await step(link, self.replica)
                return
            except Unsound as error:
                log.info("%s: %s", self.replica.target.shown, error)
            except ReplicaDiverged as error:
                await self._rebuild(link, error)
                continue
            except LogError as error:
                self.replica.stop(error)
                raise
            await self._rejoin(link)

    async def carry(self, link: Link, replica: Replica) -> None:
        """Write entries again that the new epoch lacks, under their writers' names, so that none is there twice.

        Nothing else is written before: a writer's later entry would make its earlier ones look done.
        """
        while tail := replica.tail:
            old = open_entry(tail[0])
            if replica.outcome(old.writer, old.number)[0]:
                replica.carried(tail[0])
                continue
            tip = replica.tip()
            raw = seal(
                tip.epoch.epoch,
                tip.position + 1,
                max(old.time_us, replica.machine.time_us),
                old.writer,
                old.number,
                tip.hash,
                tip.digest,
                old.rows or [],
            )
            if await propose(link, replica, tip, raw):
                replica.apply(raw)
            else:
                await catch_up(link, replica)

    def gone(self) -> BackendUnavailable:
        """What calls fail with that come after the end."""
        return BackendUnavailable(f"{self.replica.target.shown}: this backend was closed.")

    async def aclose(self) -> None:
        """Close the link."""
        self.closed = True
        if self._returner is not None:
            await end(self._returner)
        if self._link is not None:
            self._link.close()
        # The transport is gone one turn of the loop later.
        await asyncio.sleep(0)

    async def _open(self) -> Link:
        """Connect where there is no connection, and join the log. Trouble is looked at anew only now and then."""
        link, trouble = self._link, self.replica.trouble
        if link is not None and not link.lost and trouble is None:
            return link
        if trouble is not None and time.monotonic() - self.replica.trouble_mono < TROUBLE_S:
            raise trouble
        if link is None or link.lost:
            link = await open_link(self.replica.target, self._timeout_s)
            if self.closed:
                link.close()
                raise self.gone()
            link.on_lost = self._on_lost
        try:
            await self._join(link)
        except WireLost as error:
            raise BackendUnavailable(f"{self.replica.target.shown}: the connection was lost: {error}.") from None
        finally:
            # Not before: nobody may write by it while it is not known which server's process answers.
            self._link = None if link.lost else link
        return link

    def _on_lost(self) -> None:
        """The connection is gone. The server may have been restarted, and need what this process knows."""
        if not self.closed and self.replica.epoch is not None and (self._returner is None or self._returner.done()):
            self._returner = asyncio.create_task(self._come_back(), name="nexq-pogocache-returns")

    async def _come_back(self) -> None:
        # Quickly: those who bring the log back wait for each other, not for long.
        backoff = Backoff(cap_s=0.1)
        until = time.monotonic() + RETURN_S
        while not self.closed and time.monotonic() < until:
            try:
                await self.linked()
                return
            except (BackendUnavailable, WireLost):
                await asyncio.sleep(backoff.next_s())
            except (BackendError, ValueError):
                return

    async def _join(self, link: Link) -> None:
        """Join the log; what is wrong with it is remembered for all."""
        try:
            await join(link, self.replica)
            self.replica.go_on()
            await self.carry(link, self.replica)
        except BaseException as error:
            if isinstance(error, LogError):
                self.replica.stop(error)
            else:
                link.close("it could not join")
            raise

    async def _rebuild(self, link: Link, error: ReplicaDiverged) -> None:
        try:
            async with self._linking:
                await rebuild(link, self.replica, error)
        except LogError as again:
            self.replica.stop(again)
            raise
        except Unsound:
            await self._rejoin(link)

    async def _rejoin(self, link: Link) -> None:
        async with self._linking:
            await self._join(link)
