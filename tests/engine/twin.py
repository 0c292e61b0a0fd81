"""The engine and a real server, given the same calls; what each says is brought into one form."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Sequence
from typing import Any

import hiredis

from nexq.engine import Engine
from nexq.errors import ScriptFailed
from nexq.scripts import Script
from tests.support.servers import Server

Part = bytes | int | float
#: Calls one command. Each part of ARGV starts with a letter: n for a number, s for a string.
CALL = """local parts = {}
for i = 1, #ARGV do
  local text = string.sub(ARGV[i], 2)
  if string.sub(ARGV[i], 1, 1) == 'n' then parts[i] = tonumber(text) else parts[i] = text end
end
return redis.pcall(unpack(parts))"""
_NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?inf")
#: What the servers word differently, in the engine's words: those of Redis 7.
_WORDS = {
    "Unknown command": "Unknown Redis command",
    "args calling command": "args calling Redis command",
    "ERR Command arguments": "ERR Lua redis lib command arguments",
    "argument for this call": "argument for this redis lib call",
    "global variable 'server'": "global variable 'redis'",
}
#: Redis promises no order here: (width of an element).
_UNORDERED = {b"HGETALL": 2, b"HKEYS": 1, b"HVALS": 1}


class Failure(str):
    """An error reply."""


def script(body: str, name: str = "test") -> Script:
    """A script with that body."""
    text = "#!lua\n" + body
    return Script(name, (), (), body, text, hashlib.sha1(text.encode()).hexdigest(), read_only=False)


def plain(reply: Any, *, numbers: bool = True) -> Any:
    """A reply in a form to compare: errors as Failure; a text that is a number as that number."""
    if isinstance(reply, list):
        return [plain(part, numbers=numbers) for part in reply]
    if isinstance(reply, hiredis.ReplyError):
        text = re.sub(r" script: .*", "", str(reply))
        for theirs, ours in _WORDS.items():
            if ours not in text:
                text = text.replace(theirs, ours)
        return Failure(text)
    if numbers and isinstance(reply, bytes) and _NUMBER.fullmatch(reply):
        return float(reply)
    return reply


class Twin:
    """An engine and a server that start empty."""

    def __init__(self, server: Server) -> None:
        self.engine = Engine()
        self.wire = server.wire
        self.wire.call("FLUSHALL")

    def engine_eval(self, body: str, keys: Sequence[bytes] = (), args: Sequence[bytes] = ()) -> Any:
        """What the engine says to a script."""
        try:
            return self.engine.run(script(body), keys, args)
        except ScriptFailed as error:
            return Failure(str(error).removeprefix("Script 'test' failed: "))

    def server_eval(self, body: str, keys: Sequence[bytes] = (), args: Sequence[bytes] = ()) -> Any:
        """What the server says to a script."""
        return self.wire.pipeline([("EVAL", body, len(keys), *keys, *args)])[0]

    def eval(self, body: str, keys: Sequence[bytes] = (), args: Sequence[bytes] = (), *, numbers: bool = False) -> Any:
        """What both say to a script; it must be the same."""
        ours = plain(self.engine_eval(body, keys, args), numbers=numbers)
        assert ours == plain(self.server_eval(body, keys, args), numbers=numbers)
        return ours

    def history(self, commands: Sequence[Sequence[Part]]) -> None:
        """Run commands one after the other on both; every reply and the state at the end must be the same."""
        calls = [[_tagged(part) for part in command] for command in commands]
        theirs = self.wire.pipeline([("EVAL", CALL, 0, *call) for call in calls])
        for command, call, reply in zip(commands, calls, theirs, strict=True):
            ours = self.engine_eval(CALL, (), call)
            assert comparable(command, ours) == comparable(command, reply), command
        assert self.engine_state() == self.server_state()

    def engine_state(self) -> dict[bytes, Any]:
        """All keys of the engine: (type, value, whether it expires)."""
        state: dict[bytes, Any] = {}
        for key, kind, value, deadline_ms in self.engine.dump()["keys"]:
            if kind == "hash":
                value = {f.encode("latin-1"): plain(v.encode("latin-1")) for f, v in value}
            elif kind == "zset":
                value = [(m.encode("latin-1"), float(s)) for m, s in value]
            elif kind == "list":
                value = [plain(e.encode("latin-1")) for e in value]
            else:
                value = plain(value.encode("latin-1"))
            state[key.encode("latin-1")] = (kind, value, deadline_ms is not None)
        return state

    def server_state(self) -> dict[bytes, Any]:
        """All keys of the server: (type, value, whether it expires)."""
        state: dict[bytes, Any] = {}
        for key in self.wire.call("KEYS", "*"):
            kind = self.wire.call("TYPE", key).decode()
            value: Any
            if kind == "hash":
                flat = self.wire.call("HGETALL", key)
                value = {flat[i]: plain(flat[i + 1]) for i in range(0, len(flat), 2)}
            elif kind == "zset":
                flat = self.wire.call("ZRANGE", key, 0, -1, "WITHSCORES")
                value = [(flat[i], float(flat[i + 1])) for i in range(0, len(flat), 2)]
            elif kind == "list":
                value = [plain(e) for e in self.wire.call("LRANGE", key, 0, -1)]
            else:
                value = plain(self.wire.call("GET", key))
            state[key] = (kind, value, self.wire.call("PTTL", key) >= 0)
        return state


def comparable(command: Sequence[Part], reply: Any) -> Any:
    """A reply without what two runs may say differently: the order of fields, the ms that have passed."""
    reply = plain(reply)
    name = command[0].upper() if command and isinstance(command[0], bytes) else b""
    width = _UNORDERED.get(name)
    if width and isinstance(reply, list):
        return sorted([repr(reply[i : i + width]) for i in range(0, len(reply), width)])
    if name == b"PTTL" and isinstance(reply, int) and reply > 0:
        return math.ceil(reply / 100_000)
    if name == b"TIME" and isinstance(reply, list):
        return [abs(reply[0] - time.time()) < 60, len(reply)]
    return reply


def _tagged(part: Part) -> bytes:
    return b"s" + part if isinstance(part, bytes) else b"n" + repr(part).encode()
