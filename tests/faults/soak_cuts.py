"""A store's whole life written to an append-only file, and servers started on what a power cut leaves of it.

Only this client writes, one call at a time, with `appendfsync always`: when a call is answered, all it did is on the
disk, and the file's length then is the point from which on a cut keeps it. A script's writes are one transaction of
the file, so after a cut anywhere the store has to be exactly as it was at one of these points.
"""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

from nexq.backends.redis import RedisBackend
from nexq.ids import new_id
from nexq.job import Spec
from nexq.keys import queue_keys
from nexq.states import JobState
from nexq.store import Claim, Entry, Keep, Store
from nexq.store.moves import new_nonce
from tests.support.servers import Server, valkey_binary

QUEUE = "cuts"
OPTIONS = ("--save", "", "--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")
#: Small, so that retention drops jobs, too.
KEEP = Keep(completed_count=40, dead_count=20).pack()
LEASE_MS = 200.0

#: Job -> (state, token, attempt, delivery, lost)
State = dict[str, tuple[str, int, int, int, int]]


class Life:
    """One writer and what it knows."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.server = Server(valkey_binary(), OPTIONS).start()
        self.store = Store(RedisBackend(self.server.url))
        #: (length of the file, what the store was then), in order.
        self.points: list[tuple[int, State]] = []
        #: Entries of each acknowledged enqueue, with the length of the file when it was acknowledged.
        self.acked: list[tuple[int, Entry]] = []
        self.now_ms = 1_000_000_000_000.0
        self._held: dict[bytes, Claim] = {}

    @property
    def file(self) -> Path:
        """The file that grows."""
        (path,) = (self.server.folder / "appendonlydir").glob("*.incr.aof")
        return path

    async def live(self, calls: int) -> None:
        """Make calls of every kind, and note the state after each."""
        for _ in range(calls):
            self.now_ms += self.rng.choice((1, 5, 30, LEASE_MS))
            self.store.set_clock(f"{self.now_ms:.3f}")
            move = self.rng.choices((self._enqueue, self._exchange, self._extend, self._poke), (3, 5, 1, 1))[0]
            entries = await move()
            length = self.file.stat().st_size
            self.acked += [(length, entry) for entry in entries]
            self.points.append((length, await dump(self.store)))

    async def _enqueue(self) -> list[Entry]:
        entries = []
        for _ in range(self.rng.randint(1, 8)):
            unique = f"u{self.rng.randint(1, 10**9)}" if self.rng.random() < 0.2 else ""
            delay = str(self.rng.choice((20, 500))) if self.rng.random() < 0.2 else ""
            spec = Spec("t", b'{"n":1}', self.rng.randint(0, 9), max_lost=1, unique=unique)
            entries.append(Entry(new_id(), spec.pack(), delay, unique))
        await self.store.moves.enqueue(QUEUE, entries)
        return entries

    async def _exchange(self) -> list[Entry]:
        """Hand in some of what is held, right and wrong, and claim more."""
        completed: list[Any] = []
        others: list[Any] = []
        for claim in self.rng.sample(sorted(self._held.values(), key=lambda c: c.id), len(self._held) // 2):
            del self._held[claim.id]
            kind = self.rng.choice(("complete", "complete", "retry", "bury", "release", "snooze", "cancel", ""))
            if kind == "complete":
                completed += (claim.id, claim.token, b'"done"')
            elif kind:
                others += (kind, claim.id, claim.token, 50, b'{"type":"E","message":"m"}')
        reply = await self.store.moves.exchange(
            QUEUE,
            "w",
            new_nonce(),
            lease_ms=LEASE_MS,
            limit=self.rng.randint(0, 8),
            tidy=True,
            keep=KEEP,
            completed=completed,
            others=others,
        )
        self._held.update({claim.id: claim for claim in reply.claims})
        return []

    async def _extend(self) -> list[Entry]:
        await self.store.moves.extend(QUEUE, [(c.id, c.token) for c in self._held.values()], LEASE_MS)
        return []

    async def _poke(self) -> list[Entry]:
        """What a person does to one job, or to the queue."""
        known = self.points[-1][1] if self.points else {}
        if not known or self.rng.random() < 0.1:
            await self.store.moves.pause(QUEUE, b"")
            return []
        job = self.rng.choice(sorted(known))
        verb = self.rng.choice(("cancel", "run_now", "revive", "delete", "reprioritize"))
        call = getattr(self.store.moves, verb)
        await (call(QUEUE, job, self.rng.randint(0, 9)) if verb == "reprioritize" else call(QUEUE, job))
        return []

    async def aclose(self) -> None:
        """End the server."""
        await self.store.aclose()
        self.server.stop()


async def dump(store: Store) -> State:
    """Where every job stands."""
    return {
        r.id: (r.state.value, r.run.token, r.run.attempt, r.run.delivery, r.run.lost)
        for state in JobState
        async for r in store.views.walk(QUEUE, state)
    }


def start_on_cut(life_folder: Path, length: int) -> Server:
    """A server on the first `length` bytes of a file."""
    server = Server(valkey_binary(), OPTIONS)
    folder = server.folder / "appendonlydir"
    shutil.copytree(life_folder / "appendonlydir", folder)
    (file,) = folder.glob("*.incr.aof")
    with file.open("r+b") as cut:
        cut.truncate(length)
    try:
        return server.start()
    except BaseException:
        shutil.rmtree(server.folder, ignore_errors=True)
        raise


def sizes_of_sets(server: Server) -> int:
    """How many places jobs stand in, counted without nexq."""
    keys = queue_keys("nexq", QUEUE)
    sets = [keys[s.value] for s in JobState if s is not JobState.READY] + [keys["ready"] + str(p) for p in range(10)]
    return sum(server.wire.pipeline([("ZCARD", key) for key in sets]))
