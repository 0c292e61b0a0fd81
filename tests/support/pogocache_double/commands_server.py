"""The commands on the connection and the server: their checks in the real one's order, their replies."""

from __future__ import annotations

from tests.support.pogocache_double import options, persist
from tests.support.pogocache_double.keyspace import now_ns
from tests.support.pogocache_double.table import NO_INTEGER, SYNTAX, WRONG_COUNT, Database, Result, Session, command
from tests.support.pogocache_double.wire import OK, array, bulk, error, signed, word

NO_AUTH = error("NOAUTH Authentication required.")
WRONG_PASSWORD = error("WRONGPASS invalid username-password pair or user is disabled.")


@command("ping")
def ping(_db: Database, _: Session, args: list[bytes]) -> bytes:
    return WRONG_COUNT if len(args) > 2 else bulk(args[1]) if len(args) == 2 else word("PONG")


@command("echo")
def echo(_db: Database, _: Session, args: list[bytes]) -> bytes:
    return bulk(args[1]) if len(args) == 2 else WRONG_COUNT


@command("quit")
def quit_(_db: Database, session: Session, _args: list[bytes]) -> bytes:
    session.closing = True
    return OK


@command("select")
def select(_db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) != 2:
        return WRONG_COUNT
    number = signed(args[1])
    if number is None:
        return NO_INTEGER
    return error("ERR index is out of range") if number > 0 else OK


@command("auth")
def auth(db: Database, session: Session, args: list[bytes]) -> bytes:
    db.stats.count("auth_cmds")
    if len(args) == 2 and args[0].lower() == b"auth" and args[1] == db.auth:
        session.trusted = True
        return OK
    db.stats.count("auth_errors")
    if args[0].lower() != b"auth":
        return NO_AUTH
    return {1: WRONG_COUNT, 2: WRONG_PASSWORD, 3: WRONG_PASSWORD}.get(len(args), SYNTAX)


@command("version")
def version(_db: Database, _: Session, _args: list[bytes]) -> bytes:
    return word(options.VERSION)


@command("stats")
def stats(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) != 1:
        return SYNTAX
    return array(array([bulk(name), bulk(value)]) for name, value in db.stats.report(db.keys))


@command("flush", "flushdb", "flushall")
def flush(db: Database, _: Session, args: list[bytes]) -> bytes:
    rest = iter(args[1:])
    for arg in rest:
        if arg.lower() == b"delay":
            value = next(rest, None)
            seconds = None if value is None else signed(value)
            if value is None:
                return SYNTAX
            if seconds is None or not 0 <= seconds <= 31_536_000:
                return error("ERR invalid delay argument")
        elif arg.lower() not in (b"sync", b"async", b"fast"):
            return SYNTAX
    db.stats.count("cmd_flush")
    db.keys.clear()
    return OK


@command("sweep")
def sweep(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) > 2:
        return WRONG_COUNT
    if len(args) == 2 and args[1].lower() not in (b"async", b"fast"):
        return SYNTAX
    db.keys.sweep(now_ns())
    return OK


@command("purge")
def purge(_db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) > 2:
        return WRONG_COUNT
    return SYNTAX if len(args) == 2 and args[1].lower() != b"async" else OK


@command("save", "load")
def save_or_load(db: Database, _: Session, args: list[bytes]) -> Result:
    is_load, path, rest = args[0].lower() == b"load", db.persist, iter(args[1:])
    for arg in rest:
        if arg.lower() == (b"from" if is_load else b"to"):
            value = next(rest, None)
            if value is None:
                return SYNTAX
            path = value.decode(errors="surrogateescape")
        elif arg.lower() != b"fast":
            return SYNTAX
    if not path:
        return error("ERR path not provided")
    return _load(db, path) if is_load else _save(db, path)


async def _save(db: Database, path: str) -> bytes:
    try:
        await persist.save(db.keys, path)
    except OSError:
        return error("save failed")
    return OK


async def _load(db: Database, path: str) -> bytes:
    try:
        persist.load(db.keys, path)
    except (OSError, ValueError):
        return error("load failed")
    return OK
