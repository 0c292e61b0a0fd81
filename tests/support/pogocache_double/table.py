"""The table of commands, what they work on, and the errors that several of them give."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.support.pogocache_double.keyspace import Keyspace
from tests.support.pogocache_double.stats import Stats
from tests.support.pogocache_double.wire import error

WRONG_COUNT = error("ERR wrong number of arguments")
SYNTAX = error("ERR syntax error")
NO_INTEGER = error("ERR value is not an integer or out of range")


@dataclass
class Database:
    """What the commands work on."""

    keys: Keyspace
    stats: Stats
    auth: bytes = b""
    persist: str = ""


@dataclass
class Session:
    """One connection."""

    trusted: bool = False
    closing: bool = False


#: A reply, or what will be one: the connection waits for it, all others go on.
Result = bytes | Awaitable[bytes]
Command = Callable[[Database, Session, list[bytes]], Result]
COMMANDS: dict[bytes, Command] = {}


def command(*names: str) -> Callable[[Command], Command]:
    """Enter a function into the table."""

    def enter(function: Command) -> Command:
        COMMANDS.update({name.encode(): function for name in names})
        return function

    return enter


def run(db: Database, session: Session, args: list[bytes]) -> Result:
    """Run one command."""
    if not session.trusted:
        return COMMANDS[b"auth"](db, session, args)
    found = COMMANDS.get(args[0].lower())
    if found is None:
        return error(b"ERR unknown command '%b'" % args[0] if len(args[0]) < 233 else _cut(args[0]))
    return found(db, session, args)


def _cut(name: bytes) -> bytes:
    return (b"ERR unknown command '%b'" % name)[:255]
