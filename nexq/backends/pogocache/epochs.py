"""Epochs on the server: found, sealed, begun, and cleaned up when they have ended.

Of all who want to begin an epoch one wins, by `SET … NX` of its record. Who holds a replica tells how much it holds
before (a bid), so that the longest is brought back.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import orjson

from nexq.backends.pogocache import snapshot
from nexq.backends.pogocache.chain import BadRecord, Epoch, Keys, Manifest, NewerRecord, new_id
from nexq.backends.pogocache.clock import TTL_MS
from nexq.backends.pogocache.entry import Moment
from nexq.backends.pogocache.machine import State
from nexq.backends.pogocache.snapshot import SnapshotGone
from nexq.backends.pogocache.wire import Link

#: Records looked for at once, and positions looked at for orphans above a hole.
PROBE = 8
ORPHANS = 512
#: What a restart that nobody survived may have left above an epoch's end.
SWEEP_BEYOND = 4096
#: Places for bids.
BIDS = 64
#: A clock that differs from the server's by more is not believed; the server tells its own to the second.
BELIEVED_S = 0.75


class Epochs:
    """The epochs of one log, over one connection. Every method raises WireLost, BackendUnavailable."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    async def newest(self, known: int) -> Epoch | None:
        """The record of the newest epoch; `known`: the number of one that was there. Raises BadRecord, NewerRecord."""
        [hint] = await self._link.ask(("GET", self._keys.hint))
        start = max(1, int(hint) if hint is not None and hint.isdigit() and len(hint) < 10 else 1)
        for first in dict.fromkeys((start, max(start, known), 1)):
            number, raw = await self._last_from(first)
            if raw is None:
                continue
            try:
                return Epoch.unpack(raw)
            except (BadRecord, NewerRecord) as error:
                raise type(error)(f"the record {self._keys.epoch(number)}: {error}") from None
        return None

    async def _last_from(self, start: int) -> tuple[int, bytes | None]:
        """The last record of those from a number on: its number, and its bytes; None: there is none."""
        found: tuple[int, bytes | None] = (start, None)
        while True:
            [raws] = await self._link.ask(("MGET", *(self._keys.epoch(start + i) for i in range(PROBE))))
            there = [(start + i, raw) for i, raw in enumerate(raws) if raw is not None]
            if not there:
                return found
            found, start = there[-1], start + PROBE

    async def seal_of(self, epoch: int) -> dict[str, Any] | None:
        """Why an epoch has ended: {why, position, at_ms}; None: it has not."""
        [raw] = await self._link.ask(("GET", self._keys.seal(epoch)))
        if raw is None:
            return None
        try:
            about = orjson.loads(raw)
        except ValueError:
            about = None
        return about if isinstance(about, dict) else {"why": f"a seal that cannot be read: {raw[:40]!r}"}

    async def seal(self, epoch: int, why: str, position: int) -> None:
        """End an epoch: what is written after this does not count."""
        about = {"why": why, "position": position, "at_ms": round(time.time() * 1000)}
        await self._link.ask(("SET", self._keys.seal(epoch), orjson.dumps(about), "NX"))

    async def orphans(self, epoch: int, position: int) -> int:
        """How many entries stand above a hole at position + 1, as far as one looks."""
        names = [self._keys.entry(epoch, position + 2 + i) for i in range(ORPHANS)]
        [count] = await self._link.ask(("EXISTS", *names))
        return int(count)

    async def begin(self, number: int, base: tuple[Moment, State] | None, lineage: list[list[Any]]) -> Epoch | None:
        """Begin an epoch with a state; None: another process has begun it."""
        manifest: Manifest | None = None
        names: list[str] = []
        if base is not None:
            manifest, names = await snapshot.write_parts(self._link, self._keys, number, *base)
        id = new_id()
        clock_key = self._keys.clock(number, id)
        before_s = time.time()
        await self._link.ask(("SET", clock_key, id, "NX", "PX", TTL_MS))
        unix_ms = (before_s + time.time()) * 500
        if abs(self._link.ahead_s) > BELIEVED_S:
            unix_ms += self._link.ahead_s * 1000
        raw = Epoch(number, id, self._link.server, manifest, clock_key, unix_ms, TTL_MS, lineage).pack()
        [won] = await self._link.ask(("SET", self._keys.epoch(number), raw, "NX"))
        if won is None:
            await self._withdraw(number, clock_key, names)
            return None
        await self._link.ask(("SET", self._keys.hint, number))
        return Epoch.unpack(raw)

    async def _withdraw(self, number: int, clock_key: str, names: list[str]) -> None:
        """Delete what was written for an epoch that another began; parts may be the other's too."""
        [raw] = await self._link.ask(("GET", self._keys.epoch(number)))
        try:
            base = Epoch.unpack(raw).base if raw else None
        except (BadRecord, NewerRecord):
            base = None
        used: set[str] = set()
        if base is not None:
            used = {self._keys.part(number, base.position, i, sha) for i, sha in enumerate(base.parts)}
        await self._link.ask(("DEL", clock_key, *(name for name in names if name not in used)))

    async def clean_up(self, epoch: int, end: int) -> None:
        """Delete the entries, snapshots and clock of an epoch that ended at a position. Its record and seal stay."""
        [raw] = await self._link.ask(("GET", self._keys.epoch(epoch)))
        first = end
        if raw is not None:
            try:
                old = Epoch.unpack(raw)
                first = await self._drop_snapshots(old)
            except (BadRecord, NewerRecord):
                return
            await self._link.ask(("DEL", self._keys.newest(epoch), old.clock_key))
        await snapshot.delete_entries(self._link, self._keys, epoch, first + 1, end + SWEEP_BEYOND)

    async def _drop_snapshots(self, old: Epoch) -> int:
        """Delete an epoch's last two snapshots. Returns the position above which there may be entries."""
        try:
            manifest = await snapshot.newest(self._link, self._keys, old)
            floor = manifest.floor if manifest is not None else old.start
            while manifest is not None:
                await snapshot.delete_snapshot(self._link, self._keys, manifest)
                before = manifest.before
                manifest = await snapshot.manifest_at(self._link, self._keys, old, before) if before >= 0 else None
        except SnapshotGone:
            floor = old.start
        return floor

    # -- Bids

    async def bid(self, epoch: int, position: int, writers: Iterable[bytes]) -> int:
        """Tell how much this process holds, and under which names it writes. Returns the place of the bid."""
        about = orjson.dumps([epoch, position, [writer.hex() for writer in writers]])
        for place in range(BIDS):
            [won] = await self._link.ask(("SET", self._keys.bid(place), about, "NX"))
            if won is not None:
                return place
        return 0

    async def bids(self) -> tuple[int, set[bytes]]:
        """(the place of the bid that holds most, of equal ones the first; all who have told)."""
        [raws] = await self._link.ask(("MGET", *map(self._keys.bid, range(BIDS))))
        most, writers = (-1, -1, 0), set[bytes]()
        for place, raw in enumerate(raws):
            if raw is not None:
                epoch, position, names = _read_bid(raw)
                most = max(most, (epoch, position, -place))
                writers |= names
        return -most[2], writers

    async def forget_bids(self) -> None:
        """The log is back."""
        await self._link.ask(("DEL", *map(self._keys.bid, range(BIDS))))


def _read_bid(raw: bytes) -> tuple[int, int, set[bytes]]:
    """(epoch, position, writers) of a bid; lower than any for what is none."""
    try:
        epoch, position, names = orjson.loads(raw)
        return int(epoch), int(position), set(map(bytes.fromhex, names))
    except (ValueError, TypeError):
        return -1, -1, set()
