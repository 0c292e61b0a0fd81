"""The file: written shard by shard while others write, renamed into place, never fsynced."""

from __future__ import annotations

import asyncio
import os
import secrets
import struct
import time
import zlib
from pathlib import Path

from tests.support.pogocache_double.keyspace import Entry, Keyspace, now_ns

_BLOCK = struct.Struct("<4sIIq")
_ENTRY = struct.Struct("<IIqI")
_WORK = ".pogocache.work"
#: Shards between two looks at what clients want: what makes the file one of many moments.
_STRIDE = 8


async def save(keys: Keyspace, path: str) -> None:
    """Write everything. Raises OSError."""
    work = Path(f"{path}.{secrets.token_hex(4)}{_WORK}")
    try:
        with work.open("wb") as file:
            for number, shard in enumerate(keys.shards):
                if shard.entries:
                    file.write(_pack(shard.entries, now_ns()))
                if number % _STRIDE == 0:
                    await asyncio.sleep(0)
        work.replace(path)
    finally:
        work.unlink(missing_ok=True)


def load(keys: Keyspace, path: str) -> None:
    """Read everything, over what is there. Raises OSError, and ValueError for a broken file."""
    data, at = Path(path).read_bytes(), 0
    while at < len(data):
        if len(data) - at < _BLOCK.size:
            raise ValueError("bad head size")
        tag, crc, length, unix_ns = _BLOCK.unpack_from(data, at)
        at += _BLOCK.size
        block = data[at : at + length]
        if tag != b"POGO" or len(block) < length or zlib.crc32(block) != crc:
            raise ValueError("bad block")
        _unpack(keys, block, passed_ns=time.time_ns() - unix_ns)
        at += length


def remove_unfinished(path: str) -> None:
    """Remove what a kill in the middle of a save has left."""
    for work in Path(path).absolute().parent.glob(f"*{_WORK}"):
        work.unlink(missing_ok=True)


def is_there(path: str) -> bool:
    """Whether something was saved."""
    return os.access(path, os.F_OK)


def _pack(entries: dict[bytes, Entry], now: int) -> bytes:
    parts = []
    for key, entry in entries.items():
        if 0 < entry.expires_ns <= now:
            continue
        ttl_ns = entry.expires_ns and entry.expires_ns - now
        parts += [_ENTRY.pack(len(key), len(entry.value), ttl_ns, entry.flags), key, entry.value]
    block = b"".join(parts)
    return _BLOCK.pack(b"POGO", zlib.crc32(block), len(block), time.time_ns()) + block


def _unpack(keys: Keyspace, block: bytes, passed_ns: int) -> None:
    now, at = now_ns(), 0
    while at < len(block):
        key_bytes, value_bytes, ttl_ns, flags = _ENTRY.unpack_from(block, at)
        at += _ENTRY.size
        key, value = block[at : at + key_bytes], block[at + key_bytes : at + key_bytes + value_bytes]
        at += key_bytes + value_bytes
        if ttl_ns and ttl_ns < passed_ns:
            continue
        keys.put(key, value, now, expires_ns=ttl_ns and now + ttl_ns - passed_ns, flags=flags)
