"""The log's keys and its epoch records.

A log's life is cut into epochs. An epoch belongs to one process of the server: when that process ends, the epoch ends,
whatever the next process has loaded from its disk. Positions go on from epoch to epoch.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

#: The layout of records, manifests and keys. A higher one was written by a newer nexq.
LAYOUT = 2
#: How many earlier epochs a record names.
LINEAGE = 64


class BadRecord(ValueError):
    """A record or manifest cannot be read."""


class NewerRecord(ValueError):
    """A record or manifest was written by a newer nexq."""


class Keys:
    """The names of a log's keys."""

    def __init__(self, log: str) -> None:
        self.log = log
        #: Hint: the number of the newest epoch.
        self.hint = f"{log}:epoch"

    def epoch(self, epoch: int) -> str:
        """An epoch's record."""
        return f"{self.log}:epoch:{epoch}"

    def seal(self, epoch: int) -> str:
        """Stands where an epoch has ended: nothing that comes after it counts."""
        return f"{self.log}:seal:{epoch}"

    def entry(self, epoch: int, position: int) -> str:
        """An entry."""
        return f"{self.log}:log:{epoch}:{position}"

    def newest(self, epoch: int) -> str:
        """Hint: positions of an epoch's complete snapshots, each appended when it was made (see `told_of`)."""
        return f"{self.log}:snap:{epoch}"

    def manifest(self, epoch: int, position: int) -> str:
        """A snapshot's manifest, written last."""
        return f"{self.log}:snap:{epoch}:{position}"

    def part(self, epoch: int, position: int, place: int, sha: str) -> str:
        """A part of a snapshot."""
        return f"{self.log}:snap:{epoch}:{position}:{place}:{sha[:16]}"

    def bid(self, place: int) -> str:
        """How much a process holds, told while the log is brought back."""
        return f"{self.log}:bid:{place}"

    def clock(self, epoch: int, id: str) -> str:
        """The key whose time to live is the epoch's clock."""
        return f"{self.log}:clock:{epoch}:{id[:8]}"


@dataclass(frozen=True)
class Server:
    """A process of the server: its id and when it started (Unix s, to the second)."""

    pid: int
    start_s: float

    def same(self, other: Server) -> bool:
        """Whether both are one process. What the server tells is rounded, twice."""
        return self.pid == other.pid and abs(self.start_s - other.start_s) <= 2


@dataclass(frozen=True)
class Manifest:
    """What a snapshot consists of, and of which moment it is."""

    epoch: int
    position: int
    #: SHA-256 of the entry at the position, hex.
    hash: str
    time_us: int
    digest: int
    #: SHA-256 of each part as it is kept, hex.
    parts: list[str]
    #: Bytes of all parts, before they were compressed.
    size: int
    #: Position of the snapshot before it in this epoch; -1: none.
    before: int = -1
    #: No entry of this epoch at or below it is left, or is just being deleted.
    floor: int = 0

    def pack(self) -> bytes:
        """As it is kept."""
        return orjson.dumps({"v": LAYOUT, **asdict(self)})

    @classmethod
    def unpack(cls, raw: bytes) -> Manifest:
        """Read one. Raises BadRecord, NewerRecord."""
        about = _read(raw)
        try:
            return cls(**{name: about[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise BadRecord(f"it has no {error}") from None


@dataclass(frozen=True)
class Epoch:
    """An epoch's record. `base` is the state that it begins with; None: nothing."""

    epoch: int
    id: str
    server: Server
    base: Manifest | None
    #: The clock: key, Unix ms when it was set, and its time to live then, ms.
    clock_key: str
    clock_unix_ms: float
    clock_ttl_ms: int
    #: Earlier epochs, the newest last: [number, id, position at which it ended].
    lineage: list[list[Any]] = field(default_factory=list)
    raw: bytes = field(default=b"", repr=False)

    @property
    def start(self) -> int:
        """The position before its first entry."""
        return self.base.position if self.base else 0

    def pack(self) -> bytes:
        """As it is kept."""
        about = {name: value for name, value in asdict(self).items() if name != "raw"}
        return orjson.dumps({"v": LAYOUT, **about})

    @classmethod
    def unpack(cls, raw: bytes) -> Epoch:
        """Read one. Raises BadRecord, NewerRecord."""
        about = _read(raw)
        try:
            base = about["base"]
            given = {name: about[name] for name in cls.__dataclass_fields__ if name not in ("raw", "server", "base")}
            fields = {name: base[name] for name in Manifest.__dataclass_fields__} if base else None
            return cls(
                **given,
                server=Server(**about["server"]),
                base=Manifest(**fields) if fields else None,
                raw=raw,
            )
        except (KeyError, TypeError) as error:
            raise BadRecord(f"a field is missing or wrong: {error}") from None


def told_of(hint: bytes | None) -> int:
    """The newest snapshot's position that a hint tells of; 0: none.

    The greatest counts, not the last: of two processes the slower one may tell of an older snapshot later.
    """
    told = (int(word) for word in (hint or b"").split() if word.isdigit() and len(word) < 19)
    return max(told, default=0)


def new_id() -> str:
    """An epoch's id."""
    return secrets.token_hex(8)


def _read(raw: bytes) -> dict[str, Any]:
    try:
        about = orjson.loads(raw)
        version = about["v"]
        if not isinstance(version, int):
            raise TypeError
    except (ValueError, TypeError, KeyError, IndexError):
        raise BadRecord("it is not a record of nexq") from None
    if version > LAYOUT:
        raise NewerRecord(f"it has layout {version}; this nexq knows layouts up to {LAYOUT}")
    return dict(about)
