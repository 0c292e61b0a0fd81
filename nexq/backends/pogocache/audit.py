"""The audit: reads the whole log as it stands on the server, and makes the state anew to compare it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from nexq.backends.pogocache import snapshot
from nexq.backends.pogocache.chain import Epoch, Manifest, NewerRecord
from nexq.backends.pogocache.entry import BadEntry, Moment, NewerEntry, hash_of, open_entry
from nexq.backends.pogocache.epochs import BIDS
from nexq.backends.pogocache.machine import Machine
from nexq.backends.pogocache.replica import Replica
from nexq.backends.pogocache.snapshot import SnapshotGone
from nexq.backends.pogocache.wire import Link

#: Entries read at once.
PAGE = 64
#: Entries that may come, and keys that a snapshot under way may have made, while the server's keys are counted.
SLACK = 64


@dataclass
class Audit:
    """What was found. A finding is (kind, as nexq.doctor.kinds names it; detail; count)."""

    findings: list[tuple[str, str, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    entries: int = 0
    #: (key, type, ms to live or -1) of everything in the state.
    keys: list[tuple[bytes, bytes, int]] = field(default_factory=list)


async def audit(link: Link, replica: Replica) -> Audit:
    """Look at the log, its snapshots, the server's keys and bytes. The replica stands at the log's end."""
    return await _Auditor(link, replica).run()


class _Auditor:
    def __init__(self, link: Link, replica: Replica) -> None:
        self._link = link
        self._replica = replica
        self._keys = replica.keys
        self._found = Audit()

    async def run(self) -> Audit:
        """Look at everything once."""
        tip = self._replica.tip()
        epoch = tip.epoch
        here = self._replica.freeze()
        try:
            newest = await snapshot.newest(self._link, self._keys, epoch)
            state = await self._state_of(newest)
            before = await self._before(epoch, newest)
        except (SnapshotGone, NewerRecord) as error:
            self._found.findings.append(("log_snapshot", f"{error}.", 1))
            newest, state, before = None, None, None
        if state is not None:
            await self._replay(epoch, state, tip.position)
            self._compare(state, here[0], list(snapshot.parts_of(here[1])), "this process's state")
        if before is not None and newest is not None:
            await self._check_snapshot(epoch, before, newest)
        await self._count(epoch, newest, before, tip.position)
        self._tell(epoch, tip.position)
        self._found.keys = self._replica.kept()
        return self._found

    async def _state_of(self, manifest: Manifest | None) -> Machine:
        return await snapshot.read(self._link, self._keys, manifest) if manifest else Machine()

    async def _before(self, epoch: Epoch, newest: Manifest | None) -> Manifest | None:
        if newest is None or newest.before < 0 or newest.position == epoch.start:
            return None
        return await snapshot.manifest_at(self._link, self._keys, epoch, newest.before)

    async def _replay(self, epoch: Epoch, state: Machine, end: int) -> None:
        """Apply the entries up to a position; what is wrong with one ends it."""
        while state.position < end:
            first = state.position + 1
            count = min(PAGE, end - state.position)
            [raws] = await self._link.ask(("MGET", *(self._keys.entry(epoch.epoch, first + i) for i in range(count))))
            for raw in raws:
                if why := self._wrong(epoch, state, raw):
                    key = self._keys.entry(epoch.epoch, state.position + 1)
                    self._found.findings.append(("log_entry", f"{key} {why}.", 1))
                    return
                state.apply(open_entry(raw), hash_of(raw))
                self._found.entries += 1

    @staticmethod
    def _wrong(epoch: Epoch, state: Machine, raw: bytes | None) -> str:
        if raw is None:
            return "is missing"
        try:
            entry = open_entry(raw)
        except (BadEntry, NewerEntry) as error:
            return f"cannot be read: {error}"
        if (entry.epoch, entry.position) != (epoch.epoch, state.position + 1):
            return f"holds the entry of position {entry.position}, epoch {entry.epoch}"
        if entry.previous != state.hash:
            return "does not follow the entry before it"
        if entry.digest != state.digest:
            return f"was written by one who had another state (digest {entry.digest:08x}, here {state.digest:08x})"
        return ""

    async def _check_snapshot(self, epoch: Epoch, before: Manifest, newest: Manifest) -> None:
        """The newest snapshot must be what the one before it and the entries between make."""
        try:
            state = await snapshot.read(self._link, self._keys, before)
            wanted = await snapshot.read(self._link, self._keys, newest)
        except SnapshotGone:
            self._found.notes.append("A newer snapshot was made meanwhile: the older ones were not compared.")
            return
        await self._replay(epoch, state, newest.position)
        parts = list(snapshot.parts_of(wanted.freeze()))
        self._compare(state, wanted.moment(), parts, f"the snapshot at {newest.position:,}")

    def _compare(self, state: Machine, moment: Moment, parts: list[bytes], what: str) -> None:
        if state.position != moment.position:
            return  # an entry that cannot be applied was found before
        if state.moment() != moment or list(snapshot.parts_of(state.freeze())) != parts:
            self._found.findings.append(("log_diverged", f"Position {moment.position:,}: {what}.", 1))

    async def _count(self, epoch: Epoch, newest: Manifest | None, before: Manifest | None, end: int) -> None:
        """The server's keys must be those of this log."""
        [total] = await self._link.ask(("DBSIZE",))
        mine = await self._count_records(epoch)
        floor = before.position if before else newest.position if newest else epoch.start
        for start in range(min(floor, end) + 1, end + 1, 1000):
            names = [self._keys.entry(epoch.epoch, n) for n in range(start, min(start + 1000, end + 1))]
            mine += (await self._link.ask(("EXISTS", *names)))[0]
        for manifest in (newest, before):
            if manifest is not None:
                mine += len(manifest.parts) + (manifest.position > epoch.start)
        if total > mine + SLACK:
            self._found.findings.append(("log_foreign", f"{total - mine:,} of {total:,} keys.", total - mine))

    async def _count_records(self, epoch: Epoch) -> int:
        names = [self._keys.hint, self._keys.newest(epoch.epoch), epoch.clock_key]
        names += map(self._keys.bid, range(BIDS))
        for number in range(1, epoch.epoch + 1):
            names += (self._keys.epoch(number), self._keys.seal(number))
        count = 0
        for start in range(0, len(names), 1000):
            count += (await self._link.ask(("EXISTS", *names[start : start + 1000])))[0]
        return int(count)

    def _tell(self, epoch: Epoch, end: int) -> None:
        """What a person may want to know of the log."""
        began = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(epoch.clock_unix_ms / 1000))
        budget = self._replica.target.options.budget_mb
        self._found.notes.append(
            f"The log is in its epoch {epoch.epoch}, begun {began} at position {epoch.start:,}; it ends at {end:,}. "
            f"{self._found.entries:,} entries were read and applied anew. The server holds "
            f"{self._replica.server_bytes >> 20:,} MiB"
            + (f" of {budget:,} MiB." if budget else "; there is no budget.")
        )
        if self._replica.over_budget:
            self._found.findings.append(("log_budget", f"{self._replica.server_bytes >> 20:,} MiB.", 1))
        if self._replica.journal is None:
            self._found.notes.append(
                "This process keeps no journal: what is acknowledged lives in the server's memory and in the memory of "
                "nexq's processes (?journal=PATH)."
            )
