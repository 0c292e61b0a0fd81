"""What jobs are searched for, and what a search and a look over the dead found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from nexq.backends.base import Arg

#: An id and its score, as text: where a listing stands.
Pair = tuple[str, str]


def read_after(reply: list[Any]) -> Pair | None:
    """After which pair to go on, of an answer that has it at its second place; None: that was all."""
    return (reply[1].decode(), reply[2].decode()) if reply[1] else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What jobs are searched for; empty: any. `text` stands in id, type, payload or last error, in any case."""

    type: str = ""
    tags: tuple[str, ...] = ()
    worker: str = ""
    #: Of the last error: lua/lib/grave.lua.
    fingerprint: str = ""
    text: str = ""

    @property
    def any(self) -> bool:
        """Whether every job fits."""
        return self == ANY

    def pack(self) -> tuple[Arg, ...]:
        """The arguments of lua/search.lua. In JSON a text may stand as it is, or escaped."""
        text = self.text.encode("utf-8", "replace").lower()
        escaped = orjson.dumps(self.text.encode("utf-8", "replace").decode())[1:-1].lower()
        texts = dict.fromkeys((text, escaped)) if text else ()
        return (self.type, " ".join(self.tags), self.worker, self.fingerprint, *texts)


ANY = Wanted()
#: Jobs that one search looks at.
SLICE = 1000


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found: (id, score) pairs, and after which pair to go on; None: that was all."""

    looked: int
    pairs: list[Pair]
    after: Pair | None

    @classmethod
    def unpack(cls, reply: list[Any]) -> Found:
        """The answer of lua/search.lua."""
        it = iter(reply[3:])
        return cls(
            reply[0], [(id.decode(), score.decode()) for id, score in zip(it, it, strict=True)], read_after(reply)
        )


@dataclass(frozen=True, slots=True)
class Grave:
    """Dead jobs that died of the same: when the first and the last one did, that one's id, type -> how many."""

    fingerprint: str
    first_ms: float
    last_ms: float
    id: str
    types: dict[str, int]

    @classmethod
    def unpack(cls, row: list[Any]) -> Grave:
        """A group of the answer of lua/graves.lua."""
        mark, first, last, id, types = row
        it = iter(types)
        counts = {name.decode(): int(n) for name, n in zip(it, it, strict=True)}
        return cls(mark.decode(), float(first), float(last), id.decode(), counts)
