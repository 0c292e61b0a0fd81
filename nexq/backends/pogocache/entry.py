"""An entry of the log: one or more operations, by one writer, in one place.

::

    magic 4 · version 1 · epoch 4 · position 8 · time 8 (µs) · writer 8 · number 8 · previous entry's SHA-256 32 ·
    digest 4 · rows · CRC-32 4                                                                 (big endian)

`number` counts the writer's entries from 1: with the writer it is the operation's id. `digest` is the writer's digest
of the state before the entry. A row is a list of byte strings, one operation each; rows are kept as `packing` says.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from nexq.backends.pogocache.packing import shrink, unshrink
from nexq.engine.rows import Row, pack_rows, unpack_rows

MAGIC = b"nxql"
VERSION = 2
WRITER_BYTES = 8
NO_HASH = bytes(32)

_HEAD = struct.Struct(">4sBIQQ8sQ32sI")
_U32 = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Moment:
    """What names the state after an entry."""

    position: int
    hash: bytes
    time_us: int
    digest: int


class BadEntry(ValueError):
    """The bytes are no entry: damaged, or not nexq's."""


class NewerEntry(ValueError):
    """The entry is of a version that this nexq does not know."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What an entry's bytes say. `rows` is None where the head is sound but the rows cannot be read."""

    epoch: int
    position: int
    time_us: int
    writer: bytes
    number: int
    previous: bytes
    digest: int
    rows: list[Row] | None


def hash_of(raw: bytes) -> bytes:
    """What the next entry names as its predecessor."""
    return hashlib.sha256(raw).digest()


def seal(
    epoch: int,
    position: int,
    time_us: int,
    writer: bytes,
    number: int,
    previous: bytes,
    digest: int,
    rows: Sequence[Row],
) -> bytes:
    """An entry's bytes."""
    body = shrink(pack_rows(rows))
    head = _HEAD.pack(MAGIC, VERSION, epoch, position, time_us, writer, number, previous, digest)
    return b"".join((head, body, _U32.pack(zlib.crc32(body, zlib.crc32(head)))))


def open_entry(raw: bytes) -> Entry:
    """Read an entry. Raises BadEntry, NewerEntry."""
    if raw[:4] != MAGIC:
        raise BadEntry("it does not begin as an entry of nexq does")
    if len(raw) > 4 and raw[4] > VERSION:
        raise NewerEntry(f"it is an entry of version {raw[4]}; this nexq knows versions up to {VERSION}")
    if len(raw) < _HEAD.size + 8:
        raise BadEntry(f"it has {len(raw)} bytes, too few for an entry: it was cut off")
    end = len(raw) - 4
    if zlib.crc32(memoryview(raw)[:end]) != _U32.unpack_from(raw, end)[0]:
        raise BadEntry("its checksum is wrong: it was cut off or changed")
    _, _, epoch, position, time_us, writer, number, previous, digest = _HEAD.unpack_from(raw)
    try:
        rows = unpack_rows(unshrink(raw[_HEAD.size : end]))
    except (struct.error, ValueError):
        rows = None
    return Entry(epoch, position, time_us, writer, number, previous, digest, rows)
