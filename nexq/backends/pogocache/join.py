"""Joining the log: find its newest epoch, take over its state, or begin the next epoch where the server was restarted.

Who holds a replica brings it back at once. Who holds none waits a while for those who do, before it goes on with what
the server has loaded from its disk, or begins a log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any, NoReturn

import orjson

from nexq.backends.pogocache import snapshot
from nexq.backends.pogocache.chain import LINEAGE, BadRecord, Epoch, Manifest, NewerRecord, new_id
from nexq.backends.pogocache.clock import TTL_MS
from nexq.backends.pogocache.end import Unsound, catch_up, sync
from nexq.backends.pogocache.entry import BadEntry, NewerEntry, hash_of, open_entry
from nexq.backends.pogocache.machine import Machine
from nexq.backends.pogocache.replica import ADVICE, Replica, Tip
from nexq.backends.pogocache.snapshot import SnapshotGone
from nexq.backends.pogocache.wire import Link
from nexq.errors import LogDamagedError, LogError, LogLostError, LogReplacedError, LogTooNewError

log = logging.getLogger("nexq.backend")

#: How long those who hold no replica leave it to those who do.
GRACE_S = 3.0
LOOK_S = 0.1
#: Epochs looked for at once; positions looked at for orphans above a hole; how often a moving snapshot is tried.
PROBE = 8
ORPHANS = 512
TRIES = 60
#: How long those who hold one wait for each other, so that the longest is brought back; and places for their bids.
BIDS_S = 0.4
BIDS = 64
#: How much older than this process's last good word from the server another server must be to be known as another.
OTHER_S = 3.0
#: What a restart that nobody survived may have left below a snapshot.
SWEEP_BEYOND = 4096

#: Entries to write again in the new epoch: this process knows of them, who began it did not.
Tail = list[bytes]


async def join(link: Link, replica: Replica) -> Tail:
    """Bring the replica to the end of the log on this server. Returns entries that must be written again.

    Raises LogError where that cannot be without losing something, WireLost, BackendUnavailable.
    """
    return await _Join(link, replica).run()


class _Join:
    def __init__(self, link: Link, replica: Replica) -> None:
        self._link = link
        self._replica = replica
        self._keys = replica.keys
        self._patient_until = time.monotonic() + GRACE_S
        self._tail: Tail = []
        self._bid_mono: float | None = None
        self._bid = 0

    async def run(self) -> Tail:
        """Go on until the replica is in the server's epoch."""
        while True:
            record = await self._newest_record()
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
                return self._tail

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
        if self._link.uptime_s < GRACE_S and self._waits():
            await asyncio.sleep(LOOK_S)
            return False
        return await self._open_epoch(1, None, [])

    async def _come_new(self, record: Epoch) -> bool:
        goes_on = record.server.same(self._link.server)
        seal = await self._seal_of(record.epoch)
        if goes_on and seal is None:
            return await self._load(record)
        if self._waits():
            await asyncio.sleep(LOOK_S)
            return False
        if goes_on and not self._accepts_loss:
            self._lost(record, seal or {})
        return await self._salvage(record)

    async def _load(self, record: Epoch) -> bool:
        """Take over the newest snapshot and everything after it."""
        for _ in range(TRIES):
            try:
                manifest = await snapshot.newest(self._link, self._keys, record)
                machine = await snapshot.read(self._link, self._keys, manifest) if manifest else Machine()
                self._replica.install(record, machine, manifest)
                await catch_up(self._link, self._replica)
                return True
            except (SnapshotGone, Unsound) as error:
                # A newer one may have replaced it meanwhile.
                gone = error
                await asyncio.sleep(LOOK_S / 2)
            except NewerRecord as error:
                self._too_new(str(error))
        if await self._is_over(record):
            return False
        await self._seal(record.epoch, f"a snapshot or an entry is missing: {gone}", 0)
        self._fail(LogLostError, f"a part of it is missing on the server: {gone}. {ADVICE}", None)

    async def _salvage(self, record: Epoch) -> bool:
        """The server was restarted and nobody holds a replica: go on with what it has, if that is whole."""
        await self._seal(record.epoch, "the server was restarted", 0)
        try:
            manifest = await snapshot.newest(self._link, self._keys, record)
            machine = await snapshot.read(self._link, self._keys, manifest) if manifest else Machine()
        except SnapshotGone as error:
            if await self._is_over(record):
                return False
            self._fail(LogLostError, f"after a restart of the server its snapshot is not whole: {error}. {ADVICE}", 0)
        except NewerRecord as error:
            self._too_new(str(error))
        end = await self._replay(record, machine)
        orphans = await self._orphans(record.epoch, machine.position)
        if await self._is_over(record):
            return False
        if orphans and not self._accepts_loss:
            self._fail(
                LogLostError,
                f"after a restart of the server the operation at this position is missing, while {orphans:,} later "
                f"ones are there: the server was saved while others wrote. {ADVICE}",
                machine.position + 1,
            )
        if orphans:
            log.warning("%s: operations from %d on are lost, as lost=accept allows", self._shown, machine.position + 1)
        lineage = [*record.lineage, [record.epoch, record.id, machine.position]][-LINEAGE:]
        log.warning("%s: the server was restarted; going on from position %d", self._shown, end)
        return await self._open_epoch(record.epoch + 1, machine, lineage)

    async def _replay(self, record: Epoch, machine: Machine) -> int:
        """Apply the entries that follow, as far as they are one chain."""
        while True:
            names = [self._keys.entry(record.epoch, machine.position + 1 + i) for i in range(32)]
            [raws] = await self._link.ask(("MGET", *names))
            for raw in raws:
                try:
                    entry = open_entry(raw) if raw is not None else None
                except (BadEntry, NewerEntry) as error:
                    self._fail(LogDamagedError, f"an entry cannot be read: {error}.", machine.position + 1)
                if entry is None or entry.previous != machine.hash or entry.digest != machine.digest:
                    return machine.position
                machine.apply(entry, hash_of(raw))

    # -- With a replica

    async def _return(self, mine: Epoch) -> bool:
        """The epoch is the one that this process knows."""
        if not mine.server.same(self._link.server):
            self._check_restarted()
            await self._seal(mine.epoch, "the server was restarted", self._tip.position)
            await self._read_tail()
            return await self._open_mine(mine)
        seal = await self._seal_of(mine.epoch)
        if seal is not None:
            if self._waits():
                await asyncio.sleep(LOOK_S)
                return False
            self._lost(mine, seal)
        tip = self._tip
        if tip.raw:
            [raw] = await self._link.ask(("GET", self._keys.entry(mine.epoch, tip.position)))
            if raw is not None and raw != tip.raw:
                await self._stop(mine, LogReplacedError, "another entry stands where one was applied")
            if raw is None:
                return await self._jump(mine, tip)
        try:
            await catch_up(self._link, self._replica)
        except Unsound as error:
            await self._stop(mine, LogLostError, str(error))
        return True

    async def _jump(self, mine: Epoch, tip: Tip) -> bool:
        """The last entry is gone: trimmed, if a newer snapshot is there; lost, if none is."""
        for _ in range(TRIES):
            try:
                manifest = await snapshot.newest(self._link, self._keys, mine)
                if manifest is None or manifest.position <= tip.position:
                    break
                machine = await snapshot.read(self._link, self._keys, manifest)
                self._replica.install(mine, machine, manifest)
                await catch_up(self._link, self._replica)
                return True
            except (SnapshotGone, Unsound):
                await asyncio.sleep(LOOK_S / 2)
            except NewerRecord as error:
                self._too_new(str(error))
        await self._stop(mine, LogLostError, "the last entry that was applied vanished from the running server")

    async def _bring_back(self, mine: Epoch, record: Epoch | None) -> bool:
        """The server has no log, or an older epoch of this one."""
        if mine.server.same(self._link.server):
            if record is None:
                await self._stop(mine, LogLostError, "everything was deleted from the running server")
            await self._stop(mine, LogReplacedError, f"epoch {record.epoch} of another log stands there")
        self._check_restarted()
        if record is not None and record.id not in {id for _, id, _ in mine.lineage}:
            self._fail(
                LogReplacedError,
                f"after a restart of the server another log was begun there (epoch {record.epoch}), while this "
                f"process holds epoch {mine.epoch} with {self._tip.position:,} operations. It does not write into "
                "the other one. Stop those who began it, restart the server, and start them after this process.",
                None,
            )
        await self._seal(mine.epoch, "the server was restarted", self._tip.position)
        return await self._open_mine(mine)

    async def _open_mine(self, mine: Epoch) -> bool:
        """Begin the next epoch with this process's state, if no other holds a longer one."""
        if not await self._holds_most(mine):
            await asyncio.sleep(LOOK_S / 4)
            return False
        tip = self._tip
        lineage = [*mine.lineage, [mine.epoch, mine.id, tip.position]][-LINEAGE:]
        log.warning("%s: the server was restarted; bringing the log back at position %d", self._shown, tip.position)
        opened = await self._open_epoch(mine.epoch + 1, None, lineage)
        await self._link.ask(("DEL", *map(self._keys.bid, range(BIDS))))
        return opened

    async def _holds_most(self, mine: Epoch) -> bool:
        """Tell what this process holds, and learn whether others hold more. Who tells and then dies is not waited for."""
        now = time.monotonic()
        if self._bid_mono is None:
            self._bid_mono = now
            about = orjson.dumps([mine.epoch, self._tip.position])
            for place in range(BIDS):
                [won] = await self._link.ask(("SET", self._keys.bid(place), about, "NX"))
                if won is not None:
                    self._bid = place
                    break
        if now < self._bid_mono + BIDS_S:
            return False
        [raws] = await self._link.ask(("MGET", *map(self._keys.bid, range(BIDS))))
        bids = [(*_read_bid(raw), -place) for place, raw in enumerate(raws) if raw is not None]
        most = max(bids, default=(0, 0, -self._bid))
        return most[2] == -self._bid or now > self._bid_mono + 4 * BIDS_S

    def _check_restarted(self) -> None:
        """Another process answers: the server was restarted, or it is another server behind the same address."""
        heard_mono = self._replica.well_mono
        started_mono = self._link.opened_mono - self._link.uptime_s
        if heard_mono is not None and started_mono < heard_mono - OTHER_S:
            self._fail(
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
            self._fail(
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
                self._fail(
                    LogLostError,
                    f"epoch {record.epoch} goes on from position {end:,} without operations that this process has "
                    "seen acknowledged, and they are too many to be brought back. " + ADVICE,
                    end + 1,
                )
            self._tail = tail
        if not record.server.same(self._link.server):
            if self._waits():
                await asyncio.sleep(LOOK_S)
                return False
            return await self._salvage(record)
        seal = await self._seal_of(record.epoch)
        if seal is not None:
            if self._waits():
                await asyncio.sleep(LOOK_S)
                return False
            self._lost(record, seal)
        return await self._load(record)

    async def _read_tail(self) -> None:
        """Entries that others wrote and the server saved: those that follow in one chain."""
        try:
            await catch_up(self._link, self._replica)
        except (Unsound, LogError):
            pass  # what does not follow was never acknowledged by one who saw it whole, or its writer brings it back

    # -- Epochs

    async def _open_epoch(self, number: int, machine: Machine | None, lineage: list[list[Any]]) -> bool:
        """Begin an epoch with a state: the machine's, else the replica's. False: others were quicker."""
        base: Manifest | None = None
        names: list[str] = []
        if machine is not None:
            base, names = await snapshot.write_parts(self._link, self._keys, number, machine, machine.freeze())
        elif number > 1:
            moment, state = self._replica.freeze()
            base, names = await snapshot.write_parts(self._link, self._keys, number, moment, state)
        id = new_id()
        clock_key = self._keys.clock(number, id)
        before_s = time.time()
        await self._link.ask(("SET", clock_key, id, "NX", "PX", TTL_MS))
        unix_ms = (before_s + time.time()) * 500
        if abs(self._link.ahead_s) > 0.75:
            # Our clock is wrong, or the server's: the server's counts, to the second.
            unix_ms += self._link.ahead_s * 1000
        epoch = Epoch(number, id, self._link.server, base, clock_key, unix_ms, TTL_MS, lineage)
        raw = epoch.pack()
        [won] = await self._link.ask(("SET", self._keys.epoch(number), raw, "NX"))
        if won is None:
            await self._withdraw(number, clock_key, names)
            return False
        await self._link.ask(("SET", self._keys.hint, number))
        epoch = Epoch.unpack(raw)
        if machine is not None:
            self._replica.install(epoch, machine, base)
        elif not self._replica.begin(epoch):
            await self._load(epoch)
        if lineage:
            await self._clean_up(lineage[-1][0], lineage[-1][2])
        return True

    async def _withdraw(self, number: int, clock_key: str, names: list[str]) -> None:
        """Delete what was written for an epoch that another began; parts may be the other's too."""
        [raw] = await self._link.ask(("GET", self._keys.epoch(number)))
        base = Epoch.unpack(raw).base if raw else None
        used = (
            set() if base is None else {self._keys.part(number, base.position, i, s) for i, s in enumerate(base.parts)}
        )
        await self._link.ask(("DEL", clock_key, *(name for name in names if name not in used)))

    async def _clean_up(self, epoch: int, end: int) -> None:
        """Delete the entries and the snapshot of an epoch that has ended."""
        [raw, hint] = await self._link.ask(("GET", self._keys.epoch(epoch)), ("GET", self._keys.newest(epoch)))
        try:
            old = Epoch.unpack(raw) if raw else None
            newest = await snapshot.newest(self._link, self._keys, old) if old else None
        except (BadRecord, NewerRecord, SnapshotGone):
            return
        first = old.start if old else end
        if newest is not None:
            first = newest.floor
            await snapshot.delete_snapshot(self._link, self._keys, newest)
            if old and newest.before >= 0:
                try:
                    before = await snapshot.manifest_at(self._link, self._keys, old, newest.before)
                except (SnapshotGone, NewerRecord):
                    before = None
                if before is not None:
                    await snapshot.delete_snapshot(self._link, self._keys, before)
        await snapshot.delete_entries(self._link, self._keys, epoch, first + 1, end + SWEEP_BEYOND)
        spare = [self._keys.newest(epoch), *([old.clock_key] if old else [])]
        await self._link.ask(("DEL", *spare))

    async def _newest_record(self) -> Epoch | None:
        """The record of the newest epoch on the server. Raises LogDamagedError, LogTooNewError."""
        [hint] = await self._link.ask(("GET", self._keys.hint))
        mine = self._replica.epoch
        start = max(1, int(hint) if hint is not None and hint.isdigit() and len(hint) < 10 else 1)
        raw = await self._last_from(start)
        if raw is None and mine is not None and mine.epoch > start:
            raw = await self._last_from(mine.epoch)
        if raw is None and start > 1:
            raw = await self._last_from(1)
        if raw is None:
            return None
        try:
            return Epoch.unpack(raw)
        except NewerRecord as error:
            self._too_new(str(error))
        except BadRecord as error:
            self._fail(
                LogDamagedError,
                f"the key {self._keys.log}:epoch:… holds something else than an epoch's record: {error}. It begins "
                f"with {raw[:24]!r}. Nothing was overwritten. If another program uses this server, give nexq a name "
                "of its own (pogocache://host:9401/name).",
                None,
            )

    async def _last_from(self, start: int) -> bytes | None:
        found: bytes | None = None
        while True:
            [raws] = await self._link.ask(("MGET", *(self._keys.epoch(start + i) for i in range(PROBE))))
            there = [raw for raw in raws if raw is not None]
            if not there:
                return found
            found, start = there[-1], start + PROBE

    async def _is_over(self, record: Epoch) -> bool:
        """Whether others have begun a later epoch meanwhile."""
        newest = await self._newest_record()
        return newest is not None and newest.epoch > record.epoch

    async def _orphans(self, epoch: int, position: int) -> int:
        """How many entries stand above a hole, as far as one looks."""
        names = [self._keys.entry(epoch, position + 2 + i) for i in range(ORPHANS)]
        [count] = await self._link.ask(("EXISTS", *names))
        return int(count)

    async def _seal_of(self, epoch: int) -> dict[str, Any] | None:
        [raw] = await self._link.ask(("GET", self._keys.seal(epoch)))
        if raw is None:
            return None
        try:
            about = orjson.loads(raw)
        except ValueError:
            about = None
        return about if isinstance(about, dict) else {"why": f"a seal that cannot be read: {raw[:40]!r}"}

    async def _seal(self, epoch: int, why: str, position: int) -> None:
        about = {"why": why, "position": position, "at_ms": round(time.time() * 1000)}
        await self._link.ask(("SET", self._keys.seal(epoch), orjson.dumps(about), "NX"))

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

    async def _stop(self, mine: Epoch, kind: type[LogError], why: str) -> NoReturn:
        await self._seal(mine.epoch, why, self._tip.position)
        self._fail(kind, f"{why}. {ADVICE}", self._tip.position)

    def _lost(self, record: Epoch, seal: dict[str, Any]) -> NoReturn:
        at = seal.get("position") or None
        since = seal.get("at_ms")
        when = f" (found {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(since / 1000))})" if since else ""
        self._fail(
            LogLostError, f"its epoch {record.epoch} was sealed: {seal.get('why', 'no reason')}{when}. {ADVICE}", at
        )

    def _too_new(self, why: str) -> NoReturn:
        self._fail(LogTooNewError, f"{why}. Upgrade nexq in this process's environment.", None)

    def _fail(self, kind: type[LogError], why: str, position: int | None) -> NoReturn:
        well_ms = self._replica.well_ms
        since = ""
        if well_ms is not None:
            since = f" All was well at {time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(well_ms / 1000))}."
        epoch = self._replica.epoch
        where = f" at position {position:,}" if position else ""
        if position and epoch is not None:
            where += f" ({self._keys.entry(epoch.epoch, position)})"
        text = f"{self._shown}: the log{where}: {why}{since}"
        raise kind(text, log=self._keys.log, position=position, since_ms=well_ms)


def _read_bid(raw: bytes) -> tuple[int, int]:
    """(epoch, position) of a bid; lower than any for what is none."""
    try:
        epoch, position = orjson.loads(raw)
        return int(epoch), int(position)
    except (ValueError, TypeError):
        return -1, -1
