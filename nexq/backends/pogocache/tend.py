"""What a log needs from time to time: to be looked over, to be measured, and a snapshot when its replay gets long."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import Any

from nexq.backends.pogocache import snapshot
from nexq.backends.pogocache.chain import Epoch, NewerRecord, told_of
from nexq.backends.pogocache.end import Unsound, anchor, stands
from nexq.backends.pogocache.join import lose
from nexq.backends.pogocache.replica import Replica, Tip
from nexq.backends.pogocache.snapshot import SnapshotGone
from nexq.backends.pogocache.wire import Link

log = logging.getLogger("nexq.backend")

AUDIT_S = 1.0
MEASURE_S = 5.0
#: Entries that are looked for in one audit.
STRETCH = 1024
#: No hint can be so far ahead of what this process has applied.
FAR = 1_000_000
#: A snapshot is due when it costs so much to apply what came after the last one, µs: at least this, and so much for
#: each byte of it, as large ones cost more to make.
LEAST_WEIGHT = 500_000
WEIGHT_OF_BYTE = 0.03


async def tend(link: Link, replica: Replica) -> None:
    """Do what is due, but for a snapshot. Raises Unsound, WireLost, LogLostError."""
    now = time.monotonic()
    if now - replica.audited_mono >= AUDIT_S:
        replica.audited_mono = now
        await audit(link, replica)
    if replica.target.options.budget_mb and now - replica.measured_mono >= MEASURE_S:
        replica.measured_mono = now
        await measure(link, replica)
    if replica.journal is not None and replica.journal.full and replica.epoch is not None:
        with replica.lock:
            replica.journal.begin(replica.epoch, replica.machine)


def snapshot_due(replica: Replica) -> bool:
    """Whether a snapshot should be made, and none is being made here."""
    return not replica.snapshotting and replica.weight > max(LEAST_WEIGHT, WEIGHT_OF_BYTE * replica.snapshot_size)


async def audit(link: Link, replica: Replica) -> None:
    """Look whether the log is whole: its record, and what a newcomer needs. Raises Unsound; LogLostError for a loss."""
    tip = replica.tip()
    keys, epoch = replica.keys, tip.epoch.epoch
    names = (keys.epoch(epoch), keys.seal(epoch), keys.newest(epoch), anchor(keys, tip))
    [(record, sealed, hint, found)] = await link.ask(("MGET", *names))
    if record != tip.epoch.raw or sealed is not None:
        raise Unsound("the epoch ended, or its record is gone")
    if not stands(tip, found):
        raise Unsound("the last entry that was applied is not there any more")
    at = told_of(hint)
    if at < replica.snapshot_at or at > tip.position + FAR:
        # It is only a hint, but newcomers need it.
        if at > tip.position + FAR:
            await link.ask(("DEL", keys.newest(epoch)))
        if replica.snapshot_at > tip.epoch.start:
            await snapshot.tell_of(link, keys, epoch, replica.snapshot_at)
        return
    if at > replica.snapshot_at:
        # Another process made one: what came since is less than what this process counts.
        replica.snapshot_at, replica.weight = at, 0
    await _audit_needed(link, replica, tip, at, hint)
    replica.well()


async def _audit_needed(link: Link, replica: Replica, tip: Tip, at: int, hint: bytes | None) -> None:
    """Look whether the snapshot at a position is whole, and a stretch of the entries after it, the next one each time.

    Who holds a replica needs them no more. But the server deletes, and that is no place for jobs.
    """
    keys, epoch = replica.keys, tip.epoch.epoch
    first = replica.audited_to + 1 if at <= replica.audited_to < tip.position else at + 1
    last = min(first + STRETCH - 1, tip.position)
    try:
        needed = await _parts_at(link, replica, tip.epoch, at)
    except SnapshotGone:
        needed = [keys.manifest(epoch, at)]
    except NewerRecord:
        return
    needed = [*needed, *(keys.entry(epoch, position) for position in range(first, last + 1))]
    if not needed:
        return
    [count] = await link.ask(("EXISTS", *needed))
    if count != len(needed):
        # Unless another process has made a snapshot meanwhile, and trimmed.
        [again] = await link.ask(("GET", keys.newest(epoch)))
        if again == hint:
            lost = f"{len(needed) - count:,} of {len(needed):,} entries between {first:,} and {last:,}"
            why = f"{lost} and parts of the snapshot at {at:,} vanished from the running server"
            await lose(link, replica, why)
    replica.audited_to = last


async def _parts_at(link: Link, replica: Replica, epoch: Epoch, at: int) -> list[str]:
    """The keys of a snapshot: manifest and parts. Raises SnapshotGone, NewerRecord."""
    if replica.audited_parts[:2] != (epoch.epoch, at):
        keys = replica.keys
        manifest = await snapshot.manifest_at(link, keys, epoch, at)
        names = [] if manifest is None or manifest is epoch.base else [keys.manifest(epoch.epoch, at)]
        if manifest is not None:
            names += [keys.part(manifest.epoch, manifest.position, i, sha) for i, sha in enumerate(manifest.parts)]
        replica.audited_parts = epoch.epoch, at, names
    return replica.audited_parts[2]


async def measure(link: Link, replica: Replica) -> None:
    """Look how many bytes the server holds."""
    [stats] = await link.ask(("STATS",))
    about: dict[bytes, Any] = dict(stats)
    replica.server_bytes = int(about.get(b"bytes", 0))
    budget = replica.target.options.budget_mb << 20
    over = replica.server_bytes > budget
    if over and not replica.over_budget:
        log.warning("%s: %d bytes are over the budget of %d", replica.target.shown, replica.server_bytes, budget)
    replica.over_budget = over


async def make_snapshot(link: Link, replica: Replica) -> None:
    """Make a snapshot of the state as it is now, unless another process has just made one. Raises WireLost."""
    # Processes come to the same weight at about the same time.
    await asyncio.sleep(random.uniform(0, 0.02))  # noqa: S311
    tip = replica.tip()
    keys, epoch = replica.keys, tip.epoch
    try:
        before = await snapshot.newest(link, keys, epoch)
        if before is not None and before.position > replica.snapshot_at:
            replica.snapshot_at, replica.snapshot_size, replica.weight = before.position, before.size, 0
            return
        with replica.lock:
            if replica.epoch is None or replica.epoch.id != epoch.id:
                return
            moment, state = replica.freeze()
            weight = replica.weight
        began = time.monotonic()
        manifest, _ = await snapshot.write_parts(link, keys, epoch.epoch, moment, state)
        manifest = snapshot.following(manifest, before, epoch)
        if not await snapshot.publish(link, keys, epoch, manifest, before):
            return  # the next audit tells what another process has made
    except (SnapshotGone, NewerRecord) as error:
        log.info("%s: no snapshot now: %s", replica.target.shown, error)
        return
    replica.snapshot_at, replica.snapshot_size = manifest.position, manifest.size
    replica.weight = max(0, replica.weight - weight)
    log.debug("snapshot at %d: %d bytes, %.3f s", manifest.position, manifest.size, time.monotonic() - began)
