"""The state machine: what the log's entries make of the state. The same entries make the same state everywhere.

Scripts are part of the state: a writer puts a script's text into the log before its first use, so every process runs
what the writer ran, whatever version of nexq it has installed.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import hiredis

from nexq.backends.pogocache.entry import NO_HASH, Entry, Moment
from nexq.engine import Engine, Reply
from nexq.engine.image import Frozen, rows_of
from nexq.engine.rows import Row
from nexq.errors import ScriptFailed
from nexq.scripts import Script

#: How long a writer's last answers are kept, and its last number; µs of the log's time.
ANSWERS_US = 600 * 1_000_000
WRITER_US = 86_400 * 1_000_000
#: Writers are looked over at every so many entries.
SWEEP = 1024

RUN = b"r"
SCRIPT = b"s"


class Failed(str):
    """The answer of an operation that failed: why."""

    __slots__ = ()


#: A frozen state: rows of its own, and the engine's keys.
State: TypeAlias = tuple[list[Row], list[Frozen]]
Answer: TypeAlias = "Reply | Failed"


@dataclass(slots=True)
class Writer:
    """What is known of a writer: the number of its last entry, when that was, and what it answered."""

    number: int
    time_us: int
    #: None: forgotten.
    answers: list[Answer] | None


def run_row(script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> Row:
    """The row of a script's run."""
    return [RUN, bytes.fromhex(script.sha), b"%d" % len(keys), *keys, *args]


def script_row(script: Script) -> Row:
    """The row that makes a script known."""
    return [SCRIPT, script.name.encode(), script.text.encode()]


class Machine:
    """The state after some entry. Not for two threads at once."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.position = 0
        self.hash = NO_HASH
        self.time_us = 0
        self.digest = 0
        self.writers: dict[bytes, Writer] = {}
        self.scripts: dict[bytes, Script] = {}

    def apply(self, entry: Entry, hash: bytes) -> list[bytes]:
        """Apply the next entry; its answers are then the writer's. Returns the keys of lists that got elements.

        Never fails: what cannot be done is answered with Failed.
        """
        self.position, self.hash = entry.position, hash
        self.time_us = max(self.time_us, entry.time_us)
        pushed: list[bytes] = []
        known = self.writers.get(entry.writer)
        if known is None or entry.number > known.number:
            answers: list[Answer] = []
            for row in entry.rows or ():
                self._apply_row(row, answers, pushed)
            for answer in answers:
                self.digest = _fold(self.digest, answer)
            self.writers[entry.writer] = Writer(entry.number, self.time_us, answers)
        if entry.position % SWEEP == 0:
            self._sweep()
        return pushed

    def _apply_row(self, row: Row, answers: list[Answer], pushed: list[bytes]) -> None:
        kind = row[0] if row else b""
        if kind == SCRIPT and len(row) == 3:
            self._learn(row[1], row[2])
        elif kind == RUN:
            answers.append(self._run(row))
            pushed += self.engine.take_pushed()

    def _learn(self, name: bytes, text: bytes) -> None:
        sha = hashlib.sha1(text, usedforsecurity=False)
        _, _, body = text.decode(errors="replace").partition("\n")
        self.scripts[sha.digest()] = Script(
            name.decode(errors="replace"), (), (), body, text.decode(errors="replace"), sha.hexdigest(), False
        )

    def _run(self, row: Row) -> Answer:
        script = self.scripts.get(row[1]) if len(row) > 2 else None
        if script is None or not row[2].isdigit() or len(row[2]) > 6:
            return Failed("An operation of the log cannot be read; it was left out.")
        end = 3 + int(row[2])
        try:
            return self.engine.run(script, row[3:end], row[end:], self.time_us)
        except ScriptFailed as error:
            return Failed(error)
        except MemoryError:
            raise
        except Exception as error:
            # One bad operation must not stop every process for ever.
            return Failed(f"Script {script.name!r} failed: {type(error).__name__}")

    def _sweep(self) -> None:
        for id in [id for id, w in self.writers.items() if self.time_us - w.time_us > WRITER_US]:
            del self.writers[id]
        for writer in self.writers.values():
            if self.time_us - writer.time_us > ANSWERS_US:
                writer.answers = None

    # -- The whole state as rows

    def moment(self) -> Moment:
        """What names the state."""
        return Moment(self.position, self.hash, self.time_us, self.digest)

    def freeze(self) -> State:
        """The state at this moment: rows of its own, and the engine's (see rows_of_state)."""
        own: list[Row] = [[b"s", s.name.encode(), s.text.encode()] for s in self.scripts.values()]
        for id, writer in self.writers.items():
            answers = b"" if writer.answers is None else b"*" + _pack([*writer.answers])
            own.append([b"w", id, b"%d" % writer.number, b"%d" % writer.time_us, answers])
        return own, self.engine.freeze()

    def thaw(self, rows: Iterable[Row]) -> None:
        """Take the state of rows. Raises ValueError, IndexError or struct.error for what are none."""
        self.writers, self.scripts = {}, {}
        self.engine = Engine()
        self.engine.thaw(self._take_own(rows))

    def _take_own(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            kind = row[0]
            if kind == b"k":
                yield row[1:]
            elif kind == b"s":
                self._learn(row[1], row[2])
            elif kind == b"w":
                answers = _unpack(row[4][1:]) if row[4] else None
                self.writers[row[1]] = Writer(int(row[2]), int(row[3]), answers)
            else:
                raise ValueError(f"an image has an unknown row {kind!r}")


def rows_of_state(state: State) -> Iterator[Row]:
    """The rows of a frozen state."""
    own, frozen = state
    yield from own
    for value in frozen:
        for row in rows_of(value):
            yield [b"k", *row]


def _fold(digest: int, answer: Any) -> int:
    """The digest, with an answer."""
    kind = type(answer)
    if kind is bytes:
        return zlib.crc32(answer, digest)
    if kind is list:
        digest = zlib.crc32(b"*%d" % len(answer), digest)
        try:
            return zlib.crc32(b"\0".join(answer), digest)
        except TypeError:
            for part in answer:
                digest = _fold(digest, part)
            return digest
    return zlib.crc32(str(answer).encode(), digest)


def _pack(answer: Any) -> bytes:
    """An answer as RESP."""
    if isinstance(answer, list):
        return b"*%d\r\n" % len(answer) + b"".join(map(_pack, answer))
    if isinstance(answer, bytes):
        return b"$%d\r\n%b\r\n" % (len(answer), answer)
    if isinstance(answer, Failed):
        return b"-" + answer.encode().replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n"
    return b"$-1\r\n" if answer is None else b":%d\r\n" % answer


def _unpack(packed: bytes) -> list[Answer]:
    reader = hiredis.Reader(replyError=Failed)  # type: ignore[arg-type]
    reader.feed(packed)
    answers = reader.gets()
    if not isinstance(answers, list):
        raise ValueError("a writer's answers cannot be read")
    return answers
