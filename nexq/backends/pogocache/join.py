"""Joining the log: find its newest epoch, take over its state, or begin the next epoch where the server was restarted.

Who holds a replica brings it back at once. Who holds none waits a while for those who do, before it goes on with what
the server has loaded from its disk, or begins a log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any, NoReturn

from nexq.backends.pogocache import snapshot
from nexq.backends.pogocache.chain import LINEAGE, BadRecord, Epoch, NewerRecord
from nexq.backends.pogocache.end import Unsound, anchor, catch_up, stands, sync
from nexq.backends.pogocache.entry import BadEntry, NewerEntry, hash_of, open_entry
from nexq.backends.pogocache.epochs import Epochs
from nexq.backends.pogocache.machine import Machine
from nexq.backends.pogocache.replica import Replica, Tip
from nexq.backends.pogocache.snapshot import SnapshotGone
from nexq.backends.pogocache.trouble import ADVICE, Trouble
from nexq.backends.pogocache.wire import Link
from nexq.errors import LogDamagedError, LogError, LogLostError, LogReplacedError

log = logging.getLogger("nexq.backend")

#: How long those who hold no replica leave it to those who do.
GRACE_S = 3.0
LOOK_S = 0.1
#: How often a snapshot that moves is tried.
TRIES = 60
#: How long those who hold one wait for each other, so that the longest is brought back.
BIDS_S = 0.4
#: How much older than this process's last good word from the server another server must be to be known as another.
OTHER_S = 3.0


async def join(link: Link, replica: Replica) -> None:
    """Bring the replica to the end of the log on this server. What it lacks then stands in `replica.tail`.

    Raises LogError where that cannot be without losing something, WireLost, BackendUnavailable.
    """
    await _Join(link, replica).run()


async def lose(link: Link, replica: Replica, why: str) -> NoReturn:
    """A part of the log vanished from the running server: seal it, so that all stop. Raises LogLostError, WireLost."""
    epoch = replica.tip().epoch
    raise await _Join(link, replica)._stopped(epoch, LogLostError, why)


class _Join:
    def __init__(self, link: Link, replica: Replica) -> None:
        self._link = link
        self._replica = replica
        self._keys = replica.keys
        self._epochs = Epochs(link, replica.keys)
        self._trouble = Trouble(replica)
        self._patient_until = time.monotonic() + GRACE_S
        self._tail: list[bytes] | None = None
        self._bid_mono: float | None = None
        self._bid = 0

    async def run(self) -> None:
        """Go on until the replica is in the server's epoch."""
        while True:
            record = await self._newest()
            mine = self._replica.epoch
            if mine is None:
                done = await (self._begin_log() if record is None else self._come_new(record))
            elif record is not None and record.epoch > mine.epoch:
                done = await self._adopt(mine, record)
            elif record is not None and record.id == mine.id:
                done = await self._return(mine)
            else:
                done = await self._bring_back(mine, record)
            if done and await self._is_sound():
                return

    async def _is_sound(self) -> bool:
        """Look once more at the end, which also tells the time."""
        try:
            await sync(self._link, self._replica)
        except Unsound as error:
            log.info("%s: %s", self._shown, error)
            await asyncio.sleep(LOOK_S / 10)
            return False
        return True

    # -- Without a replica

    async def _begin_log(self) -> bool:
        """There is no log. A server that has just started may be about to get one back."""
        if self._link.uptime_s < GRACE_S and await self._may_come_back():
            await asyncio.sleep(LOOK_S)
            return False
        return await self._begin(1, None, [])

    async def _come_new(self, record: Epoch) -> bool:
        goes_on = record.server.same(self._link.server)
        seal = await self._epochs.seal_of(record.epoch)
        if goes_on and seal is None:
            return await self._load(record)
        if await self._may_come_back():
            await asyncio.sleep(LOOK_S)
            return False
        if goes_on and not self._accepts_loss:
            raise self._trouble.sealed(record, seal or {})
        return await self._salvage(record)

    async def _load(self, record: Epoch) -> bool:
        """Take over the newest snapshot and everything after it."""
        gone = await self._try_to_load(record, -1)
        if gone is None:
            return True
        if await self._is_over(record):
            return False
        await self._epochs.seal(record.epoch, f"a snapshot or an entry is missing: {gone}", 0)
        raise self._trouble.error(LogLostError, f"a part of it is missing on the server: {gone}. {ADVICE}", None)

    async def _try_to_load(self, record: Epoch, above: int) -> Exception | None:
        """Take over a snapshot of a position above, and everything after it; None: done, else why not."""
        gone: Exception | None = None
        for _ in range(TRIES):
            try:
                manifest = await snapshot.newest(self._link, self._keys, record)
                if (manifest.position if manifest else 0) <= above:
                    # Processes that make one at the same time may tell of the older one last, for a moment.
                    raise SnapshotGone("there is no newer snapshot")
                machine = await snapshot.read(self._link, self._keys, manifest) if manifest else Machine()
                self._replica.install(record, machine, manifest, self._tail)
                await catch_up(self._link, self._replica)
                return None
            except (SnapshotGone, Unsound) as error:
                # A newer one may have replaced it meanwhile.
                gone = error
                await asyncio.sleep(LOOK_S / 2)
            except NewerRecord as error:
                raise self._trouble.too_new(str(error)) from None
        return gone

    async def _salvage(self, record: Epoch) -> bool:
        """The server was restarted and nobody holds a replica: go on with what it has, if that is whole."""
        await self._epochs.seal(record.epoch, "the server was restarted", 0)
        try:
            manifest = await snapshot.newest(self._link, self._keys, record)
            machine = await snapshot.read(self._link, self._keys, manifest) if manifest else Machine()
        except SnapshotGone as error:
            if await self._is_over(record):
                return False
            raise self._trouble.error(
                LogLostError, f"after a restart of the server its snapshot is not whole: {error}. {ADVICE}", 0
            ) from None
        except NewerRecord as error:
            raise self._trouble.too_new(str(error)) from None
        end = await self._replay(record, machine)
        orphans = await self._epochs.orphans(record.epoch, machine.position)
        if await self._is_over(record):
            return False
        if orphans and not self._accepts_loss:
            raise self._trouble.error(
                LogLostError,
                f"after a restart of the server the operation at this position is missing, while {orphans:,} later "
                f"ones are there: the server was saved while others wrote. {ADVICE}",
                machine.position + 1,
            )
        if orphans:
            log.warning("%s: operations from %d on are lost, as lost=accept allows", self._shown, machine.position + 1)
        lineage = [*record.lineage, [record.epoch, record.id, machine.position]][-LINEAGE:]
        log.warning("%s: the server was restarted; going on from position %d", self._shown, end)
        return await self._begin(record.epoch + 1, machine, lineage)

    async def _replay(self, record: Epoch, machine: Machine) -> int:
        """Apply the entries that follow, as far as they are one chain."""
        while True:
            names = [self._keys.entry(record.epoch, machine.position + 1 + i) for i in range(32)]
            [raws] = await self._link.ask(("MGET", *names))
            for raw in raws:
                if raw is None:
                    return machine.position
                try:
                    entry = open_entry(raw)
                except (BadEntry, NewerEntry) as error:
                    why = f"an entry cannot be read: {error}."
                    raise self._trouble.error(LogDamagedError, why, machine.position + 1) from None
                if entry.previous != machine.hash or entry.digest != machine.digest:
                    return machine.position
                machine.apply(entry, hash_of(raw))

    # -- With a replica

    async def _return(self, mine: Epoch) -> bool:
        """The epoch is the one that this process knows."""
        if not mine.server.same(self._link.server):
            self._check_restarted()
            await self._epochs.seal(mine.epoch, "the server was restarted", self._tip.position)
            await self._read_tail()
            return await self._open_mine(mine)
        seal = await self._epochs.seal_of(mine.epoch)
        if seal is not None:
            if self._waits():
                await asyncio.sleep(LOOK_S)
                return False
            raise self._trouble.sealed(mine, seal)
        tip = self._tip
        [ttl_ms, found] = await self._link.ask(("PTTL", mine.clock_key), ("GET", anchor(self._keys, tip)))
        if ttl_ms < 0:
            why = f"the clock's key {mine.clock_key} vanished from the running server"
            raise await self._stopped(mine, LogLostError, why)
        if not stands(tip, found):
            return await self._jump(mine, tip, found)
        try:
            await catch_up(self._link, self._replica)
        except Unsound as error:
            raise await self._stopped(mine, LogLostError, str(error)) from None
        return True

    async def _jump(self, mine: Epoch, tip: Tip, found: bytes | None) -> bool:
        """The last entry is gone: trimmed, if a newer snapshot is there; else lost, or replaced by what was found.

        What one who is as far behind has just written, and will delete, may stand in its place for a moment.
        """
        if await self._try_to_load(mine, tip.position) is None:
            return True
        if found is not None and tip.position > mine.start:
            raise await self._stopped(mine, LogReplacedError, "another entry stands where one was applied")
        why = "the last entry that was applied vanished from the running server"
        raise await self._stopped(mine, LogLostError, why)

    async def _bring_back(self, mine: Epoch, record: Epoch | None) -> bool:
        """The server has no log, or an older epoch of this one."""
        if mine.server.same(self._link.server):
            if record is None:
                raise await self._stopped(mine, LogLostError, "everything was deleted from the running server")
            raise await self._stopped(mine, LogReplacedError, f"epoch {record.epoch} of another log stands there")
        self._check_restarted()
        if record is not None and record.id not in {id for _, id, _ in mine.lineage}:
            raise self._trouble.error(
                LogReplacedError,
                f"after a restart of the server another log was begun there (epoch {record.epoch}), while this "
                f"process holds epoch {mine.epoch} with {self._tip.position:,} operations. It does not write into "
                "the other one. Stop those who began it, restart the server, and start them after this process.",
                None,
            )
        await self._epochs.seal(mine.epoch, "the server was restarted", self._tip.position)
        return await self._open_mine(mine)

    async def _open_mine(self, mine: Epoch) -> bool:
        """Begin the next epoch with this process's state, if no other holds a longer one."""
        if not await self._holds_most(mine):
            await asyncio.sleep(LOOK_S / 4)
            return False
        tip = self._tip
        lineage = [*mine.lineage, [mine.epoch, mine.id, tip.position]][-LINEAGE:]
        log.warning("%s: the server was restarted; bringing the log back at position %d", self._shown, tip.position)
        opened = await self._begin(mine.epoch + 1, None, lineage)
        await self._epochs.forget_bids()
        return opened

    async def _holds_most(self, mine: Epoch) -> bool:
        """Whether no other process holds more. Who tells that it does and then dies is not waited for."""
        now = time.monotonic()
        if self._bid_mono is None:
            self._bid_mono = now
            self._bid = await self._epochs.bid(mine.epoch, self._tip.position, self._replica.own)
        if now < self._bid_mono + BIDS_S:
            return False
        best, told = await self._epochs.bids()
        if best == self._bid:
            return self._replica.recent_writers() <= told or now > self._bid_mono + GRACE_S
        return now > self._bid_mono + 2 * GRACE_S

    def _check_restarted(self) -> None:
        """Another process answers: the server was restarted, or it is another server behind the same address."""
        heard_mono = self._replica.well_mono
        started_mono = self._link.opened_mono - self._link.uptime_s
        if heard_mono is not None and started_mono < heard_mono - OTHER_S:
            raise self._trouble.error(
                LogReplacedError,
                "another server answers at this address: it was running while this process still heard from the one "
                "that keeps the log. Nothing was written to it. Let the address lead to one server only.",
                None,
            )

    async def _adopt(self, mine: Epoch, record: Epoch) -> bool:
        """Others have begun a later epoch: take over its state, and remember what it lacks."""
        ends = {id: end for _, id, end in record.lineage}
        end = ends.get(mine.id)
        if end is None:
            raise self._trouble.error(
                LogReplacedError,
                f"epoch {record.epoch} stands there, which did not come from epoch {mine.epoch} of this process.",
                None,
            )
        tip = self._tip
        if end <= tip.position:
            hash, tail = self._replica.since(end)
            base = record.base
            forked = base is not None and base.position == end and hash is not None and base.hash != hash.hex()
            if hash is None or forked:
                raise self._trouble.error(
                    LogLostError,
                    f"epoch {record.epoch} goes on from position {end:,} without operations that this process has "
                    "seen acknowledged, and they are too many to be brought back. " + ADVICE,
                    end + 1,
                )
            self._tail = tail
        if not record.server.same(self._link.server):
            if await self._may_come_back():
                await asyncio.sleep(LOOK_S)
                return False
            return await self._salvage(record)
        seal = await self._epochs.seal_of(record.epoch)
        if seal is not None:
            if self._waits():
                await asyncio.sleep(LOOK_S)
                return False
            raise self._trouble.sealed(record, seal)
        return await self._load(record)

    async def _read_tail(self) -> None:
        """Entries that others wrote and the server saved: those that follow in one chain."""
        # What does not follow was never acknowledged by one who saw it whole, or its writer brings it back.
        with contextlib.suppress(Unsound, LogError):
            await catch_up(self._link, self._replica)

    # -- Epochs

    async def _begin(self, number: int, machine: Machine | None, lineage: list[list[Any]]) -> bool:
        """Begin an epoch with a state: the machine's, else the replica's. False: others were quicker."""
        mine = self._replica.freeze() if number > 1 and machine is None else None
        base = mine if machine is None else (machine.moment(), machine.freeze())
        epoch = await self._epochs.begin(number, base, lineage)
        if epoch is None:
            return False
        if machine is not None:
            self._replica.install(epoch, machine, epoch.base, self._tail)
        elif not self._replica.begin(epoch):
            await self._load(epoch)
        if lineage:
            await self._epochs.clean_up(lineage[-1][0], lineage[-1][2])
        return True

    async def _newest(self) -> Epoch | None:
        mine = self._replica.epoch
        try:
            return await self._epochs.newest(mine.epoch if mine else 1)
        except NewerRecord as error:
            raise self._trouble.too_new(str(error)) from None
        except BadRecord as error:
            raise self._trouble.error(
                LogDamagedError,
                f"{error}. Nothing was overwritten. If another program uses this server, give nexq a name of its own "
                "(pogocache://host:9401/name).",
                None,
            ) from None

    async def _is_over(self, record: Epoch) -> bool:
        """Whether others have begun a later epoch meanwhile."""
        newest = await self._newest()
        return newest is not None and newest.epoch > record.epoch

    # -- What goes wrong

    @property
    def _tip(self) -> Tip:
        return self._replica.tip()

    @property
    def _shown(self) -> str:
        return self._replica.target.shown

    @property
    def _accepts_loss(self) -> bool:
        return self._replica.target.options.lost == "accept"

    def _waits(self) -> bool:
        return time.monotonic() < self._patient_until

    async def _may_come_back(self) -> bool:
        """Whether others may still bring the log back: in the first seconds, and longer where they are about to."""
        if self._waits():
            return True
        _, told = await self._epochs.bids()
        return bool(told) and time.monotonic() < self._patient_until + 2 * GRACE_S

    async def _stopped(self, mine: Epoch, kind: type[LogError], why: str) -> LogError:
        """End the epoch: nobody may acknowledge anything in it any more."""
        await self._epochs.seal(mine.epoch, why, self._tip.position)
        return self._trouble.error(kind, f"{why}. {ADVICE}", self._tip.position)
