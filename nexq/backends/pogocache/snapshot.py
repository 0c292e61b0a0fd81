"""Snapshots: the state at a position, in parts, so that nobody has to replay the log from its beginning.

The parts come first, the manifest last, and only then is the log trimmed: ascending, below the snapshot before. So at
every moment there is a whole snapshot with every entry after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from nexq.backends.pogocache.chain import BadRecord, Epoch, Keys, Manifest, NewerRecord, told_of
from nexq.backends.pogocache.entry import Moment
from nexq.backends.pogocache.machine import Machine, State, rows_of_state
from nexq.backends.pogocache.packing import shrink, unshrink
from nexq.backends.pogocache.wire import Link
from nexq.engine.rows import Row, pack_rows, unpack_rows

#: About how many bytes a part has, before it is compressed (which takes 1 ms).
PART_BYTES = 256 << 10
#: Keys of one DEL, parts of one MGET.
DELETES = 500
READS = 8
#: A hint that has grown longer is written anew.
HINT_BYTES = 4096


class SnapshotGone(Exception):
    """A snapshot is not whole: it was replaced by a newer one meanwhile, or lost."""


def parts_of(state: State) -> Iterator[bytes]:
    """The parts of a frozen state."""
    rows: list[Row] = []
    size = 0
    for row in rows_of_state(state):
        rows.append(row)
        size += sum(map(len, row))
        if size >= PART_BYTES:
            yield pack_rows(rows)
            rows, size = [], 0
    if rows:
        yield pack_rows(rows)


def rows_in(parts: Sequence[bytes]) -> Iterator[Row]:
    """The rows of parts."""
    for part in parts:
        yield from unpack_rows(part)


async def write_parts(link: Link, keys: Keys, epoch: int, moment: Moment, state: State) -> tuple[Manifest, list[str]]:
    """Write the parts of a state. Returns its manifest, which is not written yet, and the parts' keys."""
    shas: list[str] = []
    names: list[str] = []
    size = 0
    for place, part in enumerate(parts_of(state)):
        kept = shrink(part)
        sha = hashlib.sha256(kept).hexdigest()
        names.append(keys.part(epoch, moment.position, place, sha))
        # The name holds the content's hash: what stands there already is the same.
        await link.ask(("SET", names[-1], kept, "NX"))
        shas.append(sha)
        size += len(part)
    manifest = Manifest(epoch, moment.position, moment.hash.hex(), moment.time_us, moment.digest, shas, size)
    return manifest, names


async def read(link: Link, keys: Keys, manifest: Manifest) -> Machine:
    """The state of a snapshot. Raises SnapshotGone."""
    parts: list[bytes] = []
    for start in range(0, len(manifest.parts), READS):
        some = manifest.parts[start : start + READS]
        names = [keys.part(manifest.epoch, manifest.position, start + i, sha) for i, sha in enumerate(some)]
        [raws] = await link.ask(("MGET", *names))
        for name, raw, sha in zip(names, raws, some, strict=True):
            if raw is None:
                raise SnapshotGone(f"{name} is not there")
            if hashlib.sha256(raw).hexdigest() != sha:
                raise SnapshotGone(f"{name} was changed")
            parts.append(_unshrunk(name, raw))
    return machine_of(manifest, parts)


def _unshrunk(name: str, raw: bytes) -> bytes:
    try:
        return unshrink(raw)
    except ValueError as error:
        raise SnapshotGone(f"{name}: {error}") from None


def machine_of(manifest: Manifest, parts: Sequence[bytes]) -> Machine:
    """The state of a snapshot's parts. Raises SnapshotGone."""
    machine = Machine()
    try:
        machine.thaw(rows_in(parts))
    except (ValueError, IndexError, LookupError, ArithmeticError) as error:
        raise SnapshotGone(f"it cannot be read: {error}") from None
    machine.position, machine.hash = manifest.position, bytes.fromhex(manifest.hash)
    machine.time_us, machine.digest = manifest.time_us, manifest.digest
    return machine


async def newest(link: Link, keys: Keys, epoch: Epoch) -> Manifest | None:
    """The newest snapshot of an epoch; the state it began with where there is none; None for nothing.

    Raises SnapshotGone, NewerRecord.
    """
    [hint] = await link.ask(("GET", keys.newest(epoch.epoch)))
    try:
        return await manifest_at(link, keys, epoch, told_of(hint))
    except SnapshotGone:
        # A hint may be wrong. What the epoch began with will do, as long as every entry since is there.
        [first] = await link.ask(("EXISTS", keys.entry(epoch.epoch, epoch.start + 1)))
        if first:
            return epoch.base
        raise


async def manifest_at(link: Link, keys: Keys, epoch: Epoch, position: int) -> Manifest | None:
    """The manifest at a position: the epoch's base stands in its record. Raises SnapshotGone, NewerRecord."""
    if position <= epoch.start:
        return epoch.base
    [raw] = await link.ask(("GET", keys.manifest(epoch.epoch, position)))
    if raw is None:
        raise SnapshotGone(f"{keys.manifest(epoch.epoch, position)} is not there")
    try:
        return Manifest.unpack(raw)
    except NewerRecord:
        raise
    except BadRecord as error:
        raise SnapshotGone(f"{keys.manifest(epoch.epoch, position)} cannot be read: {error}") from None


def following(manifest: Manifest, before: Manifest | None, epoch: Epoch) -> Manifest:
    """The manifest, with what it says of those before it."""
    if before is None:
        return replace(manifest, before=-1, floor=epoch.start)
    # Below the floor of the one before, everything was deleted when that one was made, up to the one before it.
    floor = before.before if before.before >= 0 and before.epoch == epoch.epoch else epoch.start
    return replace(manifest, before=before.position, floor=max(floor, epoch.start))


async def publish(link: Link, keys: Keys, epoch: Epoch, manifest: Manifest, before: Manifest | None) -> bool:
    """Write a snapshot's manifest, tell of it, and trim what only the one before the last needed.

    False, and nothing is left of it, where another process has told of one meanwhile: each snapshot is deleted by the
    one after the next, so each must follow the last.
    """
    [hint] = await link.ask(("GET", keys.newest(epoch.epoch)))
    told = told_of(hint)
    if told >= manifest.position or told > (before.position if before else epoch.start):
        if told != manifest.position:
            await delete_snapshot(link, keys, manifest)
        return False
    await link.ask(("SET", keys.manifest(epoch.epoch, manifest.position), manifest.pack(), "NX"))
    await tell_of(link, keys, epoch.epoch, manifest.position)
    if before is not None:
        # What the snapshot before this one follows on is needed by nobody any more.
        await delete_entries(link, keys, epoch.epoch, manifest.floor + 1, before.position)
        await _drop_older(link, keys, epoch, before)
    return True


async def _drop_older(link: Link, keys: Keys, epoch: Epoch, before: Manifest) -> None:
    """Delete the snapshot that a snapshot followed."""
    try:
        older = await manifest_at(link, keys, epoch, before.before) if before.before >= 0 else None
    except (SnapshotGone, NewerRecord):
        return
    if older is not None and older.position < before.position:
        await delete_snapshot(link, keys, older)


async def tell_of(link: Link, keys: Keys, epoch: int, position: int) -> None:
    """Have newcomers find a snapshot."""
    [length] = await link.ask(("APPEND", keys.newest(epoch), f" {position}"))
    if length > HINT_BYTES:
        await link.ask(("SET", keys.newest(epoch), position))


async def delete_snapshot(link: Link, keys: Keys, manifest: Manifest) -> None:
    """Delete a snapshot: its manifest first, so that nobody finds one with holes."""
    names = [keys.part(manifest.epoch, manifest.position, i, sha) for i, sha in enumerate(manifest.parts)]
    await _delete(link, [keys.manifest(manifest.epoch, manifest.position), *names])


async def delete_entries(link: Link, keys: Keys, epoch: int, first: int, last: int) -> int:
    """Delete entries, ascending. Returns how many there were."""
    count = 0
    for start in range(first, last + 1, DELETES):
        names = [keys.entry(epoch, n) for n in range(start, min(start + DELETES, last + 1))]
        count += await _delete(link, names)
    return count


async def _delete(link: Link, names: list[str]) -> int:
    count = 0
    for start in range(0, len(names), DELETES):
        [gone] = await link.ask(("DEL", *names[start : start + DELETES]))
        count += gone
    return count
