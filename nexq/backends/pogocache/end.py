"""The log's end: writing the next entry, and reading what others wrote.

An entry counts when its `SET … NX` was answered with OK and the same round trip shows that the log is whole: the entry
before it stands there as it was applied, the epoch is the known one and not sealed. Then it follows the true end:
entries are deleted from the oldest on, so nothing between can be missing.
"""

from __future__ import annotations

import time
from typing import Any

from nexq.backends.pogocache.chain import Keys, told_of
from nexq.backends.pogocache.entry import BadEntry, NewerEntry, hash_of, open_entry
from nexq.backends.pogocache.replica import Replica, Tip
from nexq.backends.pogocache.wire import Command, Link

#: Entries read at once, at first and at most.
FEW, MANY = 4, 64


class Unsound(Exception):
    """The log is not as this process knows it: who is there must be looked at anew (join.py)."""


def anchor(keys: Keys, tip: Tip) -> str:
    """The key that shows whether a tip is still near the log's end: its entry.

    At an epoch's start there is none; there it is the hint of snapshots, as nothing is trimmed before one is told of.
    """
    epoch = tip.epoch.epoch
    return keys.entry(epoch, tip.position) if tip.position > tip.epoch.start else keys.newest(epoch)


def stands(tip: Tip, found: bytes | None) -> bool:
    """Whether what was found at its anchor shows that the tip is as it was, and that nothing after it was trimmed."""
    if tip.position == tip.epoch.start:
        return told_of(found) <= tip.position
    # After a snapshot was taken over, only the entry's hash is known.
    return found == tip.raw if tip.raw else found is not None and hash_of(found) == tip.hash


async def propose(link: Link, replica: Replica, tip: Tip, raw: bytes) -> bool:
    """Try to make `raw` the entry after the tip; False: another one stands there. Raises Unsound, WireLost."""
    keys, epoch, position = replica.keys, tip.epoch.epoch, tip.position + 1
    stored, before, after, *rest = await _ask(
        link,
        replica,
        tip,
        ("SET", keys.entry(epoch, position), raw, "NX"),
        ("GET", anchor(keys, tip)),
        ("EXISTS", keys.entry(epoch, position + 1)),
    )
    if not stands(tip, before):
        if stored is not None:
            # Far behind the end: what was just written is below what others have trimmed, and nobody reads it.
            await link.ask(("DEL", keys.entry(epoch, position)))
        raise Unsound(_gone(tip, before))
    _judge(replica, tip, *rest)
    if stored is None:
        return False
    if after:
        # Another writer may have been quick; if it does not follow this entry, this entry has filled a hole.
        [follower] = await link.ask(("GET", keys.entry(epoch, position + 1)))
        if follower is not None and not _follows(follower, raw):
            raise Unsound(f"entry {position} was missing, while later ones are there")
    return True


async def sync(link: Link, replica: Replica) -> None:
    """Apply everything that was written before this call. Raises Unsound, WireLost, LogError."""
    tip = replica.tip()
    keys, epoch = replica.keys, tip.epoch.epoch
    # An applied entry need not be read again: that it is there is enough.
    look = "EXISTS" if tip.raw else "GET"
    found, raw, *rest = await _ask(
        link,
        replica,
        tip,
        (look, anchor(keys, tip)),
        ("GET", keys.entry(epoch, tip.position + 1)),
    )
    if not (found if tip.raw else stands(tip, found)):
        raise Unsound(_gone(tip, None))
    _judge(replica, tip, *rest)
    if raw is not None:
        replica.apply(raw)
        await catch_up(link, replica)


async def look(link: Link, replica: Replica) -> None:
    """Apply what is new, at the cost of one command where nothing is. Raises Unsound, WireLost, LogError."""
    tip = replica.tip()
    [raw] = await link.ask(("GET", replica.keys.entry(tip.epoch.epoch, tip.position + 1)))
    if raw is not None:
        replica.apply(raw)
        await catch_up(link, replica)


async def catch_up(link: Link, replica: Replica) -> None:
    """Read and apply entries until there is none. Raises Unsound, WireLost, LogError."""
    count, again = FEW, False
    while True:
        tip = replica.tip()
        names = [replica.keys.entry(tip.epoch.epoch, tip.position + 1 + i) for i in range(count)]
        [raws] = await link.ask(("MGET", *names))
        end = raws.index(None) if None in raws else count
        for raw in raws[:end]:
            replica.apply(raw)
        if end < count:
            if not any(raw is not None for raw in raws[end:]):
                return
            # Reading several keys is no snapshot: only what is still missing a round trip later is a hole.
            if end == 0 and again and replica.tip().position == tip.position:
                raise Unsound(f"entry {tip.position + 1} is missing, while later ones are there")
            again = end == 0
        count = min(MANY, count * 4)


async def _ask(link: Link, replica: Replica, tip: Tip, *commands: Command) -> list[Any]:
    """Their replies, then: the epoch's record, its seal, the clock's time to live."""
    sent_mono = time.monotonic()
    keys, epoch = replica.keys, tip.epoch.epoch
    *replies, records, ttl_ms = await link.ask(
        *commands, ("MGET", keys.epoch(epoch), keys.seal(epoch)), ("PTTL", tip.epoch.clock_key)
    )
    if replica.clock is not None:
        replica.clock.hear(tip.epoch, sent_mono, time.monotonic(), ttl_ms)
    replica.looked()
    return [*replies, *records, ttl_ms]


def _gone(tip: Tip, found: bytes | None) -> str:
    if tip.position == tip.epoch.start:
        return "others have written since the epoch began, and trimmed what they wrote"
    return f"entry {tip.position}, the last that was applied, was {'deleted' if found is None else 'replaced'}"


def _judge(replica: Replica, tip: Tip, record: bytes | None, seal: bytes | None, ttl_ms: int) -> None:
    """Raise Unsound unless the epoch is the known one, goes on, and has its clock."""
    if record != tip.epoch.raw:
        raise Unsound("the epoch's record is gone" if record is None else "the epoch's record was replaced")
    if seal is not None:
        raise Unsound("the epoch was sealed")
    if ttl_ms < 0:
        raise Unsound("the clock's key is gone")
    replica.well()


def _follows(follower: bytes, raw: bytes) -> bool:
    try:
        return open_entry(follower).previous == hash_of(raw)
    except (BadEntry, NewerEntry):
        return False
