"""An image of all keys as rows of byte strings, and back.

Freezing copies references only, so it is quick; the rows are made later, a few at a time. A row is
`key, kind, deadline in ms or '', …`; a large value has several. Kinds: `s` value · `h` field, value, … · `l` element,
… · `z` scores (8 bytes each, IEEE, big endian), member, …. The rows of equal histories are equal.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from nexq.engine.keyspace import Keyspace
from nexq.engine.zset import Pair, SortedSet

#: Elements of one row.
SLICE = 5000


class Frozen(NamedTuple):
    """One key's value as it was."""

    key: bytes
    kind: bytes
    #: bytes | [field, value pairs] | [elements] | [score, member pairs]
    value: Any
    deadline_ms: int | None


def freeze(space: Keyspace) -> list[Frozen]:
    """Copy what the keys hold."""
    return [Frozen(key, *_copy(value), space.expires.get(key)) for key, value in space.values.items()]


def _copy(value: Any) -> tuple[bytes, Any]:
    if isinstance(value, bytes):
        return b"s", value
    if isinstance(value, dict):
        return b"h", list(value.items())
    if isinstance(value, SortedSet):
        return b"z", value.slice(0, len(value))
    return b"l", list(value)


def rows_of(frozen: Frozen) -> Iterator[list[bytes]]:
    """The rows of one key."""
    key, kind, value, deadline_ms = frozen
    head = [key, kind, b"" if deadline_ms is None else b"%d" % deadline_ms]
    if kind == b"s":
        yield [*head, value]
        return
    for start in range(0, len(value), SLICE):
        some = value[start : start + SLICE]
        if kind == b"h":
            yield [*head, *(part for pair in some for part in pair)]
        elif kind == b"z":
            scores = struct.pack(f">{len(some)}d", *(score for score, _ in some))
            yield [*head, scores, *(member for _, member in some)]
        else:
            yield [*head, *some]


def thaw(rows: Iterable[Sequence[bytes]]) -> Keyspace:
    """The keys of rows. Raises ValueError, struct.error or IndexError for what are none."""
    space = Keyspace()
    sets: dict[bytes, list[Pair]] = {}
    for row in rows:
        key, kind, deadline, *parts = row
        if kind == b"s":
            space.values[key] = parts[0]
        elif kind == b"h":
            _at(space, key, dict).update(zip(parts[::2], parts[1::2], strict=True))
        elif kind == b"z":
            scores = struct.unpack(f">{len(parts) - 1}d", parts[0])
            # The place among the keys is that of the first row.
            space.values.setdefault(key, SortedSet())
            sets.setdefault(key, []).extend(zip(scores, parts[1:], strict=True))
        elif kind == b"l":
            _at(space, key, deque).extend(parts)
        else:
            raise ValueError(f"an image has an unknown kind of value {kind!r}")
        if deadline:
            space.expire_at(key, int(deadline))
    for key, pairs in sets.items():
        found = space.values[key]
        if not isinstance(found, SortedSet):
            raise ValueError("an image has two kinds of value at one key")
        found.add(pairs)
    return space


def _at(space: Keyspace, key: bytes, kind: type) -> Any:
    value = space.values.setdefault(key, kind())
    if type(value) is not kind:
        raise ValueError("an image has two kinds of value at one key")
    return value
