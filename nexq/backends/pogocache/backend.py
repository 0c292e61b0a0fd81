"""pogocache://: the scripts run in every process, and a log in Pogocache decides in which order."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from typing import cast

from nexq.backends.base import Arg, Backend, Reply
from nexq.backends.pogocache.audit import Audit, audit
from nexq.backends.pogocache.calls import Call
from nexq.backends.pogocache.line import Line
from nexq.backends.pogocache.replica import Replica
from nexq.backends.pogocache.share import close, give_back, shared
from nexq.backends.pogocache.tend import measure
from nexq.backends.pogocache.url import Target, parse
from nexq.backends.pogocache.waiting import Waiter
from nexq.backends.wire import WireLost
from nexq.errors import BackendError, BackendUnavailable, OutcomeUnknown
from nexq.scripts import Script
from nexq.tasks import end

CALL_TIMEOUT_S = 5.0


def _script(name: str, body: str, *, read_only: bool = False) -> Script:
    text = "#!lua\n" + body
    return Script(name, (), (), body, text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), read_only)


FIRST = _script(
    "pogocache_first",
    "for i = 1, #KEYS do\n"
    "local element = redis.call('LRANGE', KEYS[i], 0, 0)[1]\n"
    "if element then return {KEYS[i], element} end\n"
    "end\n",
    read_only=True,
)
#: Taking an element changes the state, so it goes through the log as everything else.
TAKE = _script(
    "pogocache_take",
    "for i = 1, #KEYS do\n"
    "local element = redis.call('LPOP', KEYS[i])\n"
    "if element then return {KEYS[i], element} end\n"
    "end\n",
)
GIVE_BACK = _script("pogocache_give_back", "redis.call('LPUSH', KEYS[1], ARGV[1])\nreturn 'OK'\n")


class PogocacheBackend:
    """A backend on a log in a Pogocache. All of a process share one replica, unless `share` is False (tests)."""

    def __init__(
        self, url: str, *, patience_s: float = 30.0, call_timeout_s: float = CALL_TIMEOUT_S, share: bool = True
    ) -> None:
        self._open(parse(url), patience_s, call_timeout_s, None if share else _own)

    def _open(self, target: Target, patience_s: float, call_timeout_s: float, replica: object) -> None:
        self._target = target
        self._patience_s = patience_s
        self._call_timeout_s = call_timeout_s
        self._origin = replica
        self._replica: Replica | None = None
        #: Whether the replica is this backend's alone, but for its clones.
        self._owner = False
        self._made: Line | None = None
        self._back: set[asyncio.Task[None]] = set()
        #: What takes the element that an eager wait has returned.
        self._taking: asyncio.Future[Reply] | None = None
        #: What the last call of `wait` waited for, where it got nothing.
        self._in_vain: list[bytes] = []
        self._closed = False

    @property
    def url(self) -> str:
        """Where it is, without the password."""
        return self._target.shown

    @property
    def replica(self) -> Replica:
        """This process's copy of the state. Raises ConfigError, LogError for a journal that cannot be used."""
        if self._replica is None:
            if isinstance(self._origin, Replica):
                self._replica = self._origin
            elif self._origin is None:
                self._replica = shared(self._target)
            else:
                self._replica = self._origin = Replica(self._target)
                self._owner = True
        return self._replica

    @property
    def line(self) -> Line:
        """This loop's line to the log."""
        if self._made is None:
            # Well within patience, so that there is something to tell when that is over.
            self._made = Line(self.replica, min(self._call_timeout_s, 0.6 * self._patience_s))
        return self._made

    def clone(self) -> Backend:
        """Another backend on the same replica, with a connection of its own."""
        other = PogocacheBackend.__new__(PogocacheBackend)
        other._open(self._target, self._patience_s, self._call_timeout_s, self._origin and self.replica)
        return other

    async def run(self, script: Script, tag: str, keys: Sequence[str], args: Sequence[Arg]) -> Reply:
        """Run a script (see Backend.run). Raises LogError too, when the log is not whole."""
        self._check_open()
        if not script.read_only and self.replica.over_budget and not _frees(script):
            raise BackendUnavailable(
                f"{self.url}: the server holds {self.replica.server_bytes >> 20:,} MiB, over the budget of "
                f"{self._target.options.budget_mb:,} MiB: no new jobs are taken until it is below. Raise ?budget_mb= "
                "(0: no limit) if the server has the memory, or let ended jobs go earlier (NEXQ_KEEP_COMPLETED_COUNT)."
            )
        return await self._run(Call(script, [key.encode() for key in keys], [_encode(arg) for arg in args]))

    async def _run(self, call: Call) -> Reply:
        line = self.line
        line.submit(call)
        try:
            async with asyncio.timeout(self._patience_s):
                return await call.future
        except TimeoutError:
            line.drop(call)
            if call.sent and not call.script.read_only:
                raise OutcomeUnknown(call.script.name, [], str(line.trouble or "no answer came")) from None
            why = str(line.trouble) if line.trouble else f"{self.url}: no answer"
            raise BackendUnavailable(f"{why} (tried for {self._patience_s:g} s)") from None
        except asyncio.CancelledError:
            line.drop(call)
            raise

    async def wait(self, keys: Sequence[str], timeout_s: float, *, eager: bool = False) -> tuple[str, bytes] | None:
        """Take an element of one of the lists (see Backend.wait). Raises BackendUnavailable, LogError."""
        self._check_open()
        await self._taken()
        line, until = self.line, time.monotonic() + timeout_s
        names = [key.encode() for key in keys]
        # Who has waited for these in vain, and goes on, is not somebody new.
        anew, self._in_vain = names != self._in_vain, []
        await line.refresh()
        while True:
            taken = self._begin_to_take(names) if eager else await self._take(names)
            if taken is not None:
                return taken[0].decode(), taken[1]
            left_s = until - time.monotonic()
            if left_s <= 0:
                self._in_vain = names
                return None
            waiter = Waiter(names)
            line.enlist(waiter, anew=anew)
            try:
                async with asyncio.timeout(left_s):
                    await waiter.woken
            except TimeoutError:
                pass  # an element may have come at the last moment
            finally:
                line.withdraw(waiter)

    def _begin_to_take(self, names: list[bytes]) -> tuple[bytes, bytes] | None:
        """The element that the replica sees; what is asked for next goes into the log together with its taking."""
        found = self.replica.peek(FIRST, names, [])
        if found is None:
            return None
        key, element = cast("list[bytes]", found)
        call = Call(TAKE, [key], [], guard=[key])
        self._taking = call.future
        # A hint may be lost; nobody need look at how its taking ended.
        self._taking.add_done_callback(lambda future: future.cancelled() or future.exception())
        self.line.submit(call)
        return key, element

    async def _taken(self) -> None:
        """What an eager wait has begun to take is gone from its list before anybody looks there again."""
        taking, self._taking = self._taking, None
        if taking is not None:
            await asyncio.wait([taking], timeout=self._patience_s)
            taking.cancel()

    async def _take(self, names: list[bytes]) -> tuple[bytes, bytes] | None:
        """Take an element that the replica sees, if no other process is quicker."""
        if not self.replica.any_there(names):
            return None
        call = Call(TAKE, names, [], guard=names)
        taking = asyncio.create_task(self._run(call))
        try:
            found = await asyncio.shield(taking)
        except asyncio.CancelledError:
            if not call.sent:
                taking.cancel()
            # Whoever waited is gone: what was taken for it goes back.
            back = asyncio.create_task(self._give_back(taking))
            self._back.add(back)
            back.add_done_callback(self._back.discard)
            raise
        if found is None:
            return None
        key, element = cast("list[bytes]", found)
        return key, element

    async def _give_back(self, taking: asyncio.Task[Reply]) -> None:
        try:
            found = await taking
            if found is not None:
                key, element = cast("list[bytes]", found)
                await self._run(Call(GIVE_BACK, [key], [element]))
        except (BackendError, asyncio.CancelledError):
            pass  # an element is a hint, and may be lost with its connection

    async def check(self, *, allow_unsafe: bool = False) -> list[str]:
        """Look at the server and the log. Returns warnings; raises ConfigError, LogError, BackendUnavailable."""
        self._check_open()
        await self.line.refresh()
        if self._target.options.maxmemory == "unlimited":
            return []
        return [
            "Pogocache deletes entries when its memory limit (by default 80 % of the machine) is reached, also with "
            "--evict no, and does not tell its settings. Start it with --maxmemory unlimited, and say "
            "?maxmemory=unlimited in the URL."
        ]

    async def audit(self) -> Audit:
        """Read the whole log and compare it with the state, for `nexq doctor`. Raises BackendUnavailable, LogError."""
        self._check_open()
        line = self.line
        await line.refresh()
        link = await line.link()
        try:
            await measure(link, self.replica)
            return await audit(link, self.replica)
        except WireLost as error:
            raise BackendUnavailable(f"{self.url}: the connection was lost: {error}.") from None

    async def aclose(self) -> None:
        """Close the connection; the replica goes with its last user."""
        if self._closed:
            return
        self._closed = True
        for task in list(self._back):
            await end(task)
        if self._made is not None:
            await self._made.aclose()
        if self._replica is not None and self._origin is None:
            give_back(self._target, self._replica)
        elif self._replica is not None and self._owner:
            close(self._replica)

    def _check_open(self) -> None:
        if self._closed:
            raise BackendUnavailable(f"{self.url}: this backend was closed.")


_own = object()


def _frees(script: Script) -> bool:
    """Whether a script frees memory, or must go on when it is full."""
    return "allow-oom" in script.text.partition("\n")[0]


def _encode(arg: Arg) -> bytes:
    """An argument as a client would send it."""
    if isinstance(arg, bytes):
        return arg
    return (arg if isinstance(arg, str) else repr(arg)).encode()
