"""The journal: the log on this machine's disk, so that it survives when every process and the server are gone.

A file begins with the epoch's record and the state at some position, then come the entries as they were applied. Each
piece is `length 4 · CRC-32 4 · bytes`; a piece that was cut off, and what follows it, was never acknowledged.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import orjson

from nexq.backends.pogocache.chain import BadRecord, Epoch, Manifest, NewerRecord
from nexq.backends.pogocache.entry import hash_of, open_entry
from nexq.backends.pogocache.machine import Machine
from nexq.backends.pogocache.snapshot import SnapshotGone, machine_of, parts_of
from nexq.errors import ConfigError, LogDamagedError, LogTooNewError

MAGIC = b"nexq journal 1\n"
#: Processes that may share a journal's name: each has a file of its own.
MOST = 64
#: The file is written anew once what came after the state is larger than this and than the state.
COMPACT_BYTES = 64 << 20
_HEAD = struct.Struct(">II")


@dataclass
class Kept:
    """What a journal holds: the state after its last whole entry, and the newest entries (position, bytes)."""

    epoch: Epoch
    machine: Machine
    recent: list[tuple[int, bytes]]


class Journal:
    """A file of this process's own: PATH, or PATH.1, PATH.2, … where others use those before."""

    def __init__(self, path: Path, lock: IO[bytes], log: str) -> None:
        self.path = path
        self._lock = lock
        self._log = log
        self._file: IO[bytes] | None = None
        self._state_bytes = 0
        self._bytes = 0
        self._pending: list[bytes] = []
        self._noting = threading.Lock()
        self._writing = threading.Lock()

    @classmethod
    def open(cls, path: str, log: str) -> Journal:
        """Take the first name that no living process uses; the one that holds most, where several are free.

        Raises ConfigError where none can be used.
        """
        free: list[tuple[int, Path, IO[bytes]]] = []
        for number in range(MOST):
            place = Path(path if number == 0 else f"{path}.{number}").absolute()
            lock = _take_lock(place)
            if lock is None:
                continue
            free.append((place.stat().st_size if place.exists() else -1, place, lock))
            if not place.exists():
                break
        if not free:
            raise ConfigError(f"The journal {path} is used by {MOST} other processes: give this one another.")
        best = max(free, key=lambda f: _newest(f[1]))
        for _, place, lock in free:
            if place != best[1]:
                lock.close()
        return cls(best[1], best[2], log)

    def load(self) -> Kept | None:
        """What it holds; None: nothing. Raises LogDamagedError, LogTooNewError, ConfigError."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(f"The journal {self.path} cannot be read: {error}.") from None
        if not raw:
            return None
        if not raw.startswith(MAGIC):
            raise LogDamagedError(
                f"{self.path} is not a journal of this nexq: nothing was changed. Name another file with ?journal=PATH."
            )
        try:
            return self._replay(list(_pieces(raw)))
        except NewerRecord as error:
            raise LogTooNewError(f"The journal {self.path} was written by a newer nexq: {error}.") from None
        except (BadRecord, SnapshotGone, ValueError, KeyError, IndexError) as error:
            raise LogDamagedError(
                f"The journal {self.path} cannot be read: {error}. Nothing was changed. Move it away to begin without."
            ) from None

    def _replay(self, pieces: list[bytes]) -> Kept | None:
        if not pieces:
            return None
        about = orjson.loads(pieces[0])
        if about["log"] != self._log:
            raise ValueError(f"it is of the log {about['log']!r}, not {self._log!r}")
        epoch = Epoch.unpack(about["epoch"].encode())
        manifest = Manifest(**about["state"])
        end = 1 + len(manifest.parts)
        if len(pieces) < end:
            raise ValueError("its state is cut off")
        machine = machine_of(manifest, pieces[1:end])
        recent = []
        for raw in pieces[end:]:
            entry = open_entry(raw)
            if entry.position != machine.position + 1 or entry.previous != machine.hash:
                raise ValueError(f"entry {entry.position} does not follow")
            machine.apply(entry, hash_of(raw))
            recent.append((machine.position, raw))
        return Kept(epoch, machine, recent)

    def begin(self, epoch: Epoch, machine: Machine) -> None:
        """Write it anew: an epoch, and the state as it is."""
        parts = list(parts_of(machine.freeze()))
        state = Manifest(
            epoch.epoch,
            machine.position,
            machine.hash.hex(),
            machine.time_us,
            machine.digest,
            [""] * len(parts),
            sum(map(len, parts)),
        )
        about = {"log": self._log, "epoch": epoch.raw.decode(), "state": state.__dict__}
        with self._writing:
            self._rewrite([orjson.dumps(about), *parts])
            self._state_bytes, self._bytes = state.size, 0
            with self._noting:
                self._pending.clear()

    def _rewrite(self, pieces: list[bytes]) -> None:
        fresh = self.path.with_name(self.path.name + ".new")
        file = fresh.open("wb")
        file.write(MAGIC)
        for piece in pieces:
            file.write(_HEAD.pack(len(piece), zlib.crc32(piece)) + piece)
        file.flush()
        os.fsync(file.fileno())
        fresh.replace(self.path)
        _sync_folder(self.path.parent)
        if self._file is not None:
            self._file.close()
        self._file = file

    def append(self, raw: bytes) -> None:
        """Note an entry that was applied; it is on the disk after the next `sync`."""
        with self._noting:
            self._pending.append(_HEAD.pack(len(raw), zlib.crc32(raw)) + raw)
            self._bytes += len(raw)

    @property
    def full(self) -> bool:
        """Whether it should be written anew."""
        return self._bytes > max(COMPACT_BYTES, self._state_bytes)

    def sync(self) -> None:
        """Bring everything noted to the disk. Raises OSError."""
        with self._writing:
            with self._noting:
                some, self._pending = self._pending, []
            if self._file is not None and some:
                self._file.write(b"".join(some))
                self._file.flush()
                os.fsync(self._file.fileno())

    def close(self) -> None:
        """Bring everything to the disk and let others use the file."""
        if self._file is not None:
            self.sync()
            self._file.close()
            self._file = None
        self._lock.close()


def _take_lock(place: Path) -> IO[bytes] | None:
    """The lock beside a journal, or None where another process (or replica) has it. Raises ConfigError."""
    try:
        lock = place.with_name(place.name + ".lock").open("ab")
    except OSError as error:
        raise ConfigError(f"The journal {place} cannot be used: {error}.") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


def _newest(place: Path) -> tuple[int, int]:
    """(epoch, position) of a journal's last whole entry; lower than any for what is none."""
    try:
        raw = place.read_bytes()
        pieces = list(_pieces(raw))
        about = orjson.loads(pieces[0])
        last = pieces[-1] if len(pieces) > 1 + len(about["state"]["parts"]) else None
        epoch = orjson.loads(about["epoch"])["epoch"]
        return epoch, open_entry(last).position if last else about["state"]["position"]
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return -1, -1


def _pieces(raw: bytes) -> Iterator[bytes]:
    """The whole pieces of a file."""
    at = len(MAGIC)
    while at + _HEAD.size <= len(raw):
        length, crc = _HEAD.unpack_from(raw, at)
        piece = raw[at + _HEAD.size : at + _HEAD.size + length]
        if len(piece) != length or zlib.crc32(piece) != crc:
            return
        yield piece
        at += _HEAD.size + length


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
