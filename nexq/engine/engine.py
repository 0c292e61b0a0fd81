"""The engine: it runs scripts on the keys it holds."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from nexq.engine.commands import COMMANDS, READS, Command
from nexq.engine.commands_key import type_of
from nexq.engine.image import Frozen, freeze, thaw
from nexq.engine.keyspace import Keyspace, Value
from nexq.engine.lua import Sandbox
from nexq.engine.values import CommandError, Reply, Result, Status, format_score, to_bytes
from nexq.engine.zset import SortedSet
from nexq.errors import ScriptFailed
from nexq.scripts import Script


def wall_clock_us() -> int:
    """The time, microseconds since 1970."""
    return time.time_ns() // 1000


class Engine:
    """Keys and values, and one Lua runtime. Not for two threads at once.

    `clock` gives the time in microseconds since 1970; it is read once per script. What an engine holds and answers
    depends on nothing but the calls and the clock: two engines given the same are the same, whatever the process.
    """

    def __init__(self, clock: Callable[[], int] = wall_clock_us) -> None:
        self._clock = clock
        self._space = Keyspace()
        self._commands: dict[object, Command] = dict(COMMANDS.items())
        self._sandbox = Sandbox(self._call)
        self._compiled: dict[str, Any] = {}
        self._reading = False

    def run(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes], now_us: int | None = None) -> Reply:
        """Run a script and return its reply. `now_us`: the time it sees; None: the clock's.

        Raises ScriptFailed. As in Redis, what the script wrote before it failed stays.
        """
        self._begin(now_us)
        return self._execute(script, keys, args)

    def peek(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes], now_us: int) -> Reply:
        """Run a script that may not write, and leave no trace: its time is not kept and nothing expires by it.

        Raises ScriptFailed, also for a command that writes.
        """
        space = self._space
        kept_us, space.now_us = space.now_us, max(space.now_us, now_us)
        self._reading = True
        try:
            return self._execute(script, keys, args)
        finally:
            self._reading = False
            space.now_us = kept_us

    def _execute(self, script: Script, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
        try:
            chunk = self._compiled.get(script.sha)
            if chunk is None:
                chunk = self._compiled[script.sha] = self._sandbox.compile(script.body)
            return self._sandbox.run(chunk, keys, args)
        except CommandError as error:
            raise ScriptFailed(f"Script {script.name!r} failed: {error.text}") from None
        except RecursionError:
            raise ScriptFailed(f"Script {script.name!r} failed: its reply is nested too deep") from None

    def command(self, *parts: bytes | int | float, now_us: int | None = None) -> Any:
        """Run one command, as redis.call would. nil is None. Raises CommandError."""
        self._begin(now_us)
        result = self._answer(parts)
        if isinstance(result, list):
            return [None if part is False else part for part in result]
        return None if result is False else result

    def take_pushed(self) -> list[bytes]:
        """The keys of the lists that the last call pushed to, in order."""
        pushed, self._space.pushed = self._space.pushed, []
        return pushed

    def dump(self) -> dict[str, Any]:
        """The whole state, fit for JSON; bytes are latin-1 text. Equal states give equal dumps.

        `{"keys": [[key, type, value, deadline in ms or None], …]}`, sorted by key; hashes sorted by field, sorted
        sets by score.
        """
        space = self._space
        return {
            "keys": [
                [key.decode("latin-1"), *_dump_value(value), space.expires.get(key)]
                for key, value in sorted(space.values.items())
            ]
        }

    def load(self, dump: Mapping[str, Any]) -> None:
        """Forget all keys and take those of a dump."""
        space = self._space = Keyspace()
        for key, kind, value, deadline_ms in dump["keys"]:
            name = key.encode("latin-1")
            space.values[name] = _load_value(kind, value)
            if deadline_ms is not None:
                space.expire_at(name, deadline_ms)

    def holds(self, key: bytes) -> bool:
        """Whether something stands at the key."""
        return key in self._space.values

    def keys(self) -> list[tuple[bytes, bytes, int]]:
        """(key, type, ms to live or -1) of each key."""
        space = self._space
        now_ms = space.now_us // 1000
        return [
            (key, _type_of(space, key), max(0, space.expires[key] - now_ms) if key in space.expires else -1)
            for key in space.values
        ]

    def freeze(self) -> list[Frozen]:
        """The whole state at this moment, quickly: what it holds does not change any more (see image.py)."""
        return freeze(self._space)

    def thaw(self, rows: Iterable[Sequence[bytes]]) -> None:
        """Forget all keys and take those of an image's rows (see image.py). Raises ValueError for bad ones."""
        self._space = thaw(rows)

    def _begin(self, now_us: int | None) -> None:
        space = self._space
        space.advance(self._clock() if now_us is None else now_us)
        if space.pushed:
            space.pushed = []

    def _answer(self, parts: Sequence[Any]) -> Result:
        """Run one command. Raises CommandError, also where a script may not call it like that."""
        try:
            function, least, most, raw = self._commands[parts[0]]
        except (KeyError, IndexError):
            function, least, most, raw = self._look_up(parts)
        args = parts[1:]
        if self._reading and function not in READS:
            raise CommandError("ERR Write commands are not allowed from read-only scripts.")
        if not raw:
            for arg in args:
                if type(arg) is not bytes:
                    args = tuple(map(to_bytes, args))
                    break
        if not least <= len(args) <= most:
            raise CommandError("ERR Wrong number of args calling Redis command from script")
        return function(self._space, args)

    def _look_up(self, parts: Sequence[Any]) -> Command:
        if not parts:
            raise CommandError("ERR Please specify at least one argument for this redis lib call")
        name = to_bytes(parts[0])
        found = COMMANDS.get(name.upper())
        if found is None:
            raise CommandError("ERR Unknown Redis command called from script")
        return self._commands.setdefault(name, found)

    def _call(self, *parts: Any) -> Any:
        """redis.call: the reply as Lua sees it."""
        result = self._answer(parts)
        if type(result) is list:
            return self._sandbox.table(result)
        if type(result) is Status:
            return self._sandbox.reply_table(b"ok", bytes(result))
        return result


def _type_of(space: Keyspace, key: bytes) -> bytes:
    return bytes(cast(Status, type_of(space, (key,))))


def _dump_value(value: Value) -> tuple[str, Any]:
    if isinstance(value, bytes):
        return "string", value.decode("latin-1")
    if isinstance(value, dict):
        return "hash", [[k.decode("latin-1"), v.decode("latin-1")] for k, v in sorted(value.items())]
    if isinstance(value, SortedSet):
        pairs = value.slice(0, len(value))
        return "zset", [[member.decode("latin-1"), format_score(score).decode()] for score, member in pairs]
    return "list", [element.decode("latin-1") for element in value]


def _load_value(kind: str, value: Any) -> Value:
    if kind == "string":
        text: str = value
        return text.encode("latin-1")
    if kind == "hash":
        return {k.encode("latin-1"): v.encode("latin-1") for k, v in value}
    if kind == "list":
        return deque(element.encode("latin-1") for element in value)
    if kind == "zset":
        loaded = SortedSet()
        loaded.add((float(score), member.encode("latin-1")) for member, score in value)
        return loaded
    raise ValueError(f"a dump has an unknown type {kind!r}")
