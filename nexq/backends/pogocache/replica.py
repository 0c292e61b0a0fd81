"""This process's copy of the log's state, shared by all its event loops.

Whoever has read or written the next entry applies it, under a lock; the answers of an entry are then the writer's to
pick up, and those who wait for a list are woken.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from nexq.backends.pogocache.chain import Epoch, Keys, Manifest
from nexq.backends.pogocache.clock import SharedClock
from nexq.backends.pogocache.entry import BadEntry, Moment, NewerEntry, hash_of, open_entry
from nexq.backends.pogocache.journal import Journal
from nexq.backends.pogocache.machine import Answer, Machine, State
from nexq.backends.pogocache.trouble import ADVICE, Trouble
from nexq.backends.pogocache.url import Target
from nexq.backends.pogocache.waiting import Waiter, Waiting
from nexq.engine import Reply
from nexq.errors import LogDamagedError, LogError, LogLostError, LogTooNewError, ReplicaDiverged
from nexq.scripts import Script

#: Bytes of entries that are remembered, to be offered again where another process went on without them.
RECENT_BYTES = 4 << 20
#: Who has not written for so long (of the log's time) is not waited for when the log is brought back.
RECENT_US = 30_000_000
#: A process looks again when 1/128 of the time has passed that it is since somebody began to wait, or was woken.
EASE = 128.0
#: Others who wrote within this time may have written again; and are there, at least.
RIVALS_S = 0.5
OTHERS_S = 60.0
#: After a look as recent as this another one is not worth its round trip.
FRESH_S = 0.002
#: A line stands in for the one that leads when that one has not looked for this long beyond its wait: its loop is held
#: up by a handler, then. To look after it more often would take the processor from it.
STAND_IN_S = 0.1


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a replica stands. `raw`: the entry there, b'' at an epoch's start."""

    epoch: Epoch
    position: int
    hash: bytes
    digest: int
    raw: bytes


class Looker(Protocol):
    """A line that looks for new entries. `order`: which line of this process it is."""

    order: int


class Replica:
    """The state of one log in this process. Every method may be called in any thread."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.keys = Keys(target.log)
        self.lock = threading.RLock()
        self.machine = Machine()
        self.epoch: Epoch | None = None
        self.clock: SharedClock | None = None
        self.journal: Journal | None = None
        #: Why the log cannot be used, and when that was found.
        self.trouble: LogError | None = None
        self.trouble_mono = 0.0
        self._trouble_epoch: Epoch | None = None
        #: When all was last seen to be well, Unix ms.
        self.well_ms: float | None = None
        self.well_mono: float | None = None
        #: Position of the newest snapshot, its size, and what it costs to apply what came after it, µs.
        self.snapshot_at = 0
        self.snapshot_size = 0
        self.weight = 0
        self.snapshotting = False
        #: Whether the server holds more bytes than the budget allows, and the bytes.
        self.over_budget = False
        self.server_bytes = 0
        self.audited_mono = 0.0
        #: The last position that an audit has looked at; and of the snapshot it looks at: epoch, position, parts' keys.
        self.audited_to = 0
        self.audited_parts: tuple[int, int, list[str]] = (0, -1, [])
        #: The lines that look for new entries; the oldest leads, others stand in should its loop be blocked.
        self.lookers: list[Looker] = []
        self.measured_mono = 0.0
        #: The names under which this process writes.
        self.own: set[bytes] = set()
        #: Acknowledged entries of the epoch before that must be written again before any other is.
        self.tail: list[bytes] = []
        #: When an entry of another process was applied last.
        self.others_mono = 0.0
        self._looked_mono = 0.0
        self._stirred_mono = time.monotonic()
        self._last = b""
        self._recent: deque[tuple[int, bytes]] = deque()
        self._recent_bytes = 0
        self._waiting = Waiting()
        if target.options.journal:
            self.journal = Journal.open(target.options.journal, target.log)
            try:
                self._take_journal(self.journal)
            except BaseException:
                self.journal.close()
                raise

    def _take_journal(self, journal: Journal) -> None:
        kept = journal.load()
        if kept is None:
            return
        self.epoch, self.machine = kept.epoch, kept.machine
        self.clock = SharedClock(kept.epoch)
        for position, raw in kept.recent:
            self._remember(position, raw)
            self._last = raw
        journal.begin(kept.epoch, kept.machine)

    # -- Where it stands

    def tip(self) -> Tip:
        """Where it stands. Only once it has joined an epoch."""
        with self.lock:
            assert self.epoch is not None
            m = self.machine
            return Tip(self.epoch, m.position, m.hash, m.digest, self._last)

    def outcome(self, writer: bytes, number: int) -> tuple[bool, list[Answer] | None]:
        """(whether the writer's entry of that number was applied, its answers; None: forgotten)."""
        with self.lock:
            known = self.machine.writers.get(writer)
            if known is None or known.number < number:
                return False, None
            return True, known.answers if known.number == number else None

    def recent_writers(self) -> set[bytes]:
        """Who has written lately, this process left out."""
        with self.lock:
            since_us = self.machine.time_us - RECENT_US
            return {id for id, w in self.machine.writers.items() if w.time_us >= since_us} - self.own

    def knows(self, script: Script) -> bool:
        """Whether the log has the script's text."""
        return bytes.fromhex(script.sha) in self.machine.scripts

    def peek(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
        """Run a script that only reads. Raises ScriptFailed."""
        with self.lock:
            assert self.clock is not None
            return self.machine.engine.peek(script, keys, args, self.clock.now_us())

    def time_us(self) -> int:
        """The time of an entry that is written now."""
        assert self.clock is not None
        return max(self.machine.time_us, self.clock.now_us())

    # -- What moves it

    def apply(self, raw: bytes) -> bool:
        """Apply an entry, if it is the next one; False: it is an old one. Raises LogError."""
        with self.lock:
            assert self.epoch is not None
            try:
                entry = open_entry(raw)
            except NewerEntry as error:
                self._refuse(LogTooNewError, f"{error}. Upgrade nexq in this process's environment.")
            except BadEntry as error:
                shown = raw[:24]
                self._refuse(
                    LogDamagedError,
                    f"what stands there cannot be read: {error}. It begins with {shown!r} and has {len(raw):,} bytes. "
                    "Nothing was overwritten. If another program uses this server, give nexq a name of its own "
                    "(pogocache://host:9401/name).",
                )
            machine = self.machine
            if entry.epoch < self.epoch.epoch or entry.position <= machine.position:
                return False
            if entry.epoch != self.epoch.epoch or entry.position != machine.position + 1:
                self._refuse(
                    LogDamagedError, f"there stands the entry of position {entry.position}, epoch {entry.epoch}."
                )
            if entry.previous != machine.hash:
                self._refuse(
                    LogLostError,
                    "the entry there follows another one than this process has applied: the history was forked, as "
                    "happens when a server loses entries. " + ADVICE,
                )
            if entry.digest != machine.digest:
                self._refuse(
                    ReplicaDiverged,
                    f"its writer had another state (digest {entry.digest:08x}, here {machine.digest:08x}) after the "
                    "same entries. Start this process anew; if it stays so, run `nexq doctor` and report it.",
                )
            if entry.writer not in self.own:
                self.others_mono = time.monotonic()
            began_ns = time.thread_time_ns()
            pushed = machine.apply(entry, hash_of(raw))
            self.weight += (time.thread_time_ns() - began_ns) // 1000
            self._take(raw, pushed)
            return True

    def _take(self, raw: bytes, pushed: list[bytes]) -> None:
        self._last = raw
        self._remember(self.machine.position, raw)
        if self.journal is not None:
            self.journal.append(raw)
        for key in pushed:
            if self._waiting.wake(key):
                self._stirred_mono = time.monotonic()

    def _remember(self, position: int, raw: bytes) -> None:
        self._recent.append((position, raw))
        self._recent_bytes += len(raw)
        while self._recent_bytes > RECENT_BYTES and len(self._recent) > 1:
            self._recent_bytes -= len(self._recent.popleft()[1])

    def _refuse(self, kind: type[LogError], why: str) -> NoReturn:
        raise Trouble(self).error(kind, why, self.machine.position + 1)

    def install(
        self,
        epoch: Epoch,
        machine: Machine,
        snapshot: Manifest | None,
        tail: Sequence[bytes] | None = None,
        *,
        anew: bool = False,
    ) -> bool:
        """Take over a state that was loaded from the server, unless the one here is as new (and not wrong: `anew`).

        `tail`: what this process has seen acknowledged and the state lacks.
        """
        with self.lock:
            mine = self.epoch
            if not anew and mine is not None and (mine.epoch, self.machine.position) >= (epoch.epoch, machine.position):
                return False
            self.machine = machine
            self._last = b""
            self._recent.clear()
            self._recent_bytes = 0
            if tail is not None:
                self.tail = list(tail)
            self._begin(epoch, snapshot)
            self._waiting.wake_all()
            return True

    def carried(self, raw: bytes) -> None:
        """The tail's first entry is in the log."""
        with self.lock:
            if self.tail and self.tail[0] == raw:
                del self.tail[0]

    def begin(self, epoch: Epoch) -> bool:
        """Go on in an epoch that begins with the state as it is here. False: it does not."""
        with self.lock:
            base = epoch.base
            here = (self.machine.position, self.machine.hash.hex())
            if here != ((base.position, base.hash) if base else (0, here[1])):
                return False
            self._last = b""
            self._begin(epoch, base)
            return True

    def _begin(self, epoch: Epoch, snapshot: Manifest | None) -> None:
        if self.epoch is None or self.epoch.id != epoch.id:
            self.clock = SharedClock(epoch)
        self.epoch = epoch
        self.snapshot_at = snapshot.position if snapshot else epoch.start
        self.snapshot_size = snapshot.size if snapshot else 0
        self.weight = 0
        self.trouble = None
        if self.journal is not None:
            self.journal.begin(epoch, self.machine)

    def since(self, position: int) -> tuple[bytes | None, list[bytes]]:
        """(hash at a position, the entries after it), as far as they are remembered; None: they are not."""
        with self.lock:
            if position == self.machine.position:
                return self.machine.hash, []
            known = [(at, raw) for at, raw in self._recent if at > position]
            if not known or known[0][0] != position + 1:
                return None, []
            return open_entry(known[0][1]).previous, [raw for _, raw in known]

    # -- What goes wrong

    def stop(self, error: LogError) -> None:
        """The log cannot be used, by nobody in this process."""
        with self.lock:
            self.trouble, self.trouble_mono = error, time.monotonic()
            self._trouble_epoch = self.epoch

    def go_on(self) -> None:
        """The log can be used again. Raises LogError: a loss is not undone by what caused it deleting the seal, too."""
        with self.lock:
            trouble = self.trouble
            if isinstance(trouble, LogLostError) and self.epoch is not None and self.epoch is self._trouble_epoch:
                raise trouble
            self.trouble = None

    # -- Waiting

    def enlist(self, waiter: Waiter, *, anew: bool = True) -> None:
        """Have a waiter woken when one of its lists gets an element; at once if one has some."""
        with self.lock:
            self._waiting.add(waiter)
            if anew:
                self._stirred_mono = time.monotonic()
            if self.any_there(waiter.keys):
                waiter.wake()

    def withdraw(self, waiter: Waiter) -> None:
        """Forget a waiter."""
        with self.lock:
            self._waiting.remove(waiter)

    def any_there(self, keys: Sequence[bytes]) -> bool:
        """Whether anything stands at one of the keys."""
        with self.lock:
            return any(map(self.machine.engine.holds, keys))

    def kept(self) -> list[tuple[bytes, bytes, int]]:
        """(key, type, ms to live or -1) of everything in the state."""
        with self.lock:
            return self.machine.engine.keys()

    # -- How often to look

    def look_in_s(self, looker: Looker) -> float:
        """In how many seconds a looker should look for a new entry, or ask again; 0 or less: now."""
        now = time.monotonic()
        options = self.target.options
        quiet_s = (now - self._stirred_mono) / EASE
        wait_s = min(max(quiet_s, options.busy_poll_ms / 1000), options.poll_ms / 1000)
        if self.leads(looker):
            return self._looked_mono + wait_s - now
        return self._looked_mono + wait_s + STAND_IN_S - now

    def leads(self, looker: Looker) -> bool:
        """Whether it is this one who looks for all; the others stand in for it."""
        return all(looker.order <= other.order for other in self.lookers)

    def rests(self) -> bool:
        """Whether nothing has happened for so long that looks are about as seldom as they get."""
        return time.monotonic() - self._stirred_mono > EASE * self.target.options.poll_ms / 2000

    def has_others(self) -> bool:
        """Whether others use the log, too, and may answer what is written."""
        return time.monotonic() - self.others_mono < OTHERS_S

    def may_be_behind(self) -> bool:
        """Whether an entry that is written now may well come too late: a look is cheaper.

        Not where the last look has found nothing: others have paused, it seems.
        """
        now = time.monotonic()
        return now - self.others_mono < RIVALS_S and self._looked_mono < min(self.others_mono, now - FRESH_S)

    def looked(self) -> None:
        """The log's end was just looked at."""
        self._looked_mono = time.monotonic()

    def well(self) -> None:
        """The log was just seen to be whole."""
        self.well_ms, self.well_mono = time.time() * 1000, time.monotonic()

    def freeze(self) -> tuple[Moment, State]:
        """What names the state as it is now, and a copy of it."""
        with self.lock:
            return self.machine.moment(), self.machine.freeze()
