"""Reads a log as it lies on the server, by the format's words alone: nothing of the backend's own code is used.

Entry, big endian: magic `nxql` · version 1 · epoch 4 · position 8 · time 8 (µs) · writer 8 · number 8 · SHA-256 of the
entry before 32 · digest 4 · rows · CRC-32 4. Rows that do not begin with a zero are compressed by zlib.
"""

from __future__ import annotations

import hashlib
import json
import re
import struct
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.support.servers import Wire

HEAD = struct.Struct(">4sBIQQ8sQ32sI")
BATCH = 500
#: A writer process writes <its name.its lane.the number>; shorter ones come about by chance in the operations' ids.
_NAME = re.compile(rb"<[\w-]+\.\d+\.\d+>")


@dataclass(frozen=True, slots=True)
class RawEntry:
    """One entry, its fields checked against its bytes and nothing else."""

    raw: bytes
    epoch: int
    position: int
    time_us: int
    writer: bytes
    number: int
    before: bytes
    digest: int

    @property
    def sha(self) -> bytes:
        """What the next one has to name."""
        return hashlib.sha256(self.raw).digest()

    @property
    def rows(self) -> bytes:
        """Its rows, packed."""
        body = self.raw[HEAD.size : -4]
        return zlib.decompress(body) if body[0] else body

    @classmethod
    def read(cls, raw: bytes) -> RawEntry:
        """Take the bytes apart. Raises AssertionError for what is no whole entry."""
        magic, version, epoch, position, time_us, writer, number, before, digest = HEAD.unpack_from(raw)
        assert (magic, version) == (b"nxql", 2), raw[:5]
        assert zlib.crc32(raw[:-4]) == int.from_bytes(raw[-4:], "big"), f"{epoch}:{position}: its checksum is wrong"
        return cls(raw, epoch, position, time_us, writer, number, before, digest)


def forge(after: RawEntry, body: bytes = b"\0" * 4, **fields: int | bytes) -> bytes:
    """The bytes of an entry that could follow that one, but for the fields that are given. The body: no rows."""
    values: dict[str, int | bytes] = {
        "magic": b"nxql",
        "version": 2,
        "epoch": after.epoch,
        "position": after.position + 1,
        "time_us": after.time_us,
        "writer": b"forger!!",
        "number": 1,
        "before": after.sha,
        "digest": after.digest,
    }
    sealed = HEAD.pack(*(values | fields).values()) + body
    return sealed + zlib.crc32(sealed).to_bytes(4, "big")


def newest_epoch(wire: Wire, log: str) -> dict[str, Any]:
    """The record of the newest epoch there is."""
    number = int(wire.call("GET", f"{log}:epoch") or 1)
    while wire.call("EXISTS", f"{log}:epoch:{number + 1}"):
        number += 1
    return dict(json.loads(wire.call("GET", f"{log}:epoch:{number}")))


class Hole(AssertionError):
    """An entry is missing below others that are there."""


def read_log(wire: Wire, log: str) -> list[RawEntry]:
    """The entries of the newest epoch that are kept, from the oldest to the end. Asserts that they are one chain."""
    for _ in range(5):
        try:
            return _read_log(wire, log)
        except Hole as hole:
            # Reading takes a while, and the oldest are deleted meanwhile: only what stays is a hole.
            seen = hole
    raise seen


def _read_log(wire: Wire, log: str) -> list[RawEntry]:
    record = newest_epoch(wire, log)
    epoch, base = record["epoch"], record["base"]
    first = (base["position"] if base else 0) + 1
    newest = max(map(int, (wire.call("GET", f"{log}:snap:{epoch}") or b"0").split()))
    while first <= newest and not wire.call("EXISTS", f"{log}:log:{epoch}:{first}"):
        first += 1  # deleted, because a snapshot stands for it
    entries: list[RawEntry] = []
    while True:
        at = first + len(entries)
        values = wire.call("MGET", *(f"{log}:log:{epoch}:{n}" for n in range(at, at + BATCH)))
        there = [RawEntry.read(value) for value in values[: values.index(None) if None in values else BATCH]]
        if any(values[len(there) :]):
            raise Hole(f"{epoch}:{at + len(there)} is a hole: there are entries above it")
        entries += there
        if len(there) < BATCH:
            break
    check_chain(entries, epoch, first, bytes.fromhex(base["hash"]) if base and first == base["position"] + 1 else None)
    return entries


def check_chain(entries: list[RawEntry], epoch: int, first: int, before: bytes | None) -> None:
    """Each entry is at its place, names the one before it, and is the next of its writer; time does not go back."""
    numbers: dict[bytes, int] = {}
    time_us = 0
    for place, entry in enumerate(entries, first):
        where = f"{epoch}:{place}"
        assert (entry.epoch, entry.position) == (epoch, place), f"{where} says {entry.epoch}:{entry.position}"
        assert before is None or entry.before == before, f"{where} names another entry before it"
        assert entry.number > numbers.get(entry.writer, 0), f"{where}: its writer's number {entry.number} came before"
        assert entry.time_us >= time_us, f"{where}: time goes back"
        numbers[entry.writer], time_us, before = entry.number, entry.time_us, entry.sha


def names_in(entries: list[RawEntry]) -> Counter[str]:
    """How often each appended name stands in the log: those of writer processes."""
    return Counter(name.decode() for entry in entries for name in _NAME.findall(entry.rows))
