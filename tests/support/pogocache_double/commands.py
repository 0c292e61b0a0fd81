"""Every command: its checks in the real server's order, its reply, its error texts."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.support.pogocache_double import options, persist
from tests.support.pogocache_double.keyspace import Entry, Keyspace, now_ns
from tests.support.pogocache_double.stats import Stats
from tests.support.pogocache_double.wire import NULL, OK, array, bulk, error, integer, signed, unsigned, word

WRONG_COUNT = error("ERR wrong number of arguments")
SYNTAX = error("ERR syntax error")
NO_INTEGER = error("ERR value is not an integer or out of range")
NO_EXPIRY = error("ERR invalid expire time")
NO_AUTH = error("NOAUTH Authentication required.")
WRONG_PASSWORD = error("WRONGPASS invalid username-password pair or user is disabled.")
SECOND, MILLISECOND = 10**9, 10**6
MOST = (1 << 63) - 1


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
        return auth(db, session, args)
    found = COMMANDS.get(args[0].lower())
    if found is None:
        return error(b"ERR unknown command '%b'" % args[0] if len(args[0]) < 233 else _cut(args[0]))
    return found(db, session, args)


def _cut(name: bytes) -> bytes:
    return (b"ERR unknown command '%b'" % name)[:255]


@dataclass
class SetOptions:
    """What stands behind SET key value."""

    expires_ns: int = 0
    has_expiry: bool = False
    words: set[bytes] = field(default_factory=set)
    flags: int = 0
    cas: int | None = None


_UNITS = {b"ex": (SECOND, True), b"px": (MILLISECOND, True), b"exat": (SECOND, False), b"pxat": (MILLISECOND, False)}


def _read_options(args: list[bytes], now: int) -> SetOptions | bytes:
    """The options, or the error."""
    read, rest = SetOptions(), iter(args)
    for arg in rest:
        name = arg.lower()
        if name in (b"nx", b"xx", b"get", b"keepttl"):
            read.words.add(name)
        elif name in _UNITS:
            value = next(rest, None)
            if value is None:
                return SYNTAX
            number = signed(value)
            if number is None or number <= 0:
                return NO_EXPIRY
            unit, is_relative = _UNITS[name]
            # EXAT and PXAT: a Unix time, beside a clock that counts from boot.
            read.expires_ns = min(MOST, min(MOST, number * unit) + (now if is_relative else 0))
            read.has_expiry = True
        elif name in (b"flags", b"cas"):
            value = next(rest, None)
            number = None if value is None else unsigned(value)
            if number is None:
                return SYNTAX
            if name == b"cas":
                read.cas = number
            else:
                read.flags = number & 0xFFFFFFFF
        else:
            return SYNTAX
    if (b"keepttl" in read.words and read.has_expiry) or {b"nx", b"xx"} <= read.words:
        return SYNTAX
    return read


@command("set")
def set_(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) < 3:
        return WRONG_COUNT
    now = now_ns()
    read = _read_options(args[3:], now)
    return read if isinstance(read, bytes) else _store(db, args[1], args[2], now, read)


def _store(db: Database, key: bytes, value: bytes, now: int, read: SetOptions) -> bytes:
    db.stats.count("cmd_set")
    old = db.keys.get(key, now, touch=False)
    if old is None:
        is_refused = b"xx" in read.words or read.cas is not None
    elif read.cas is not None:
        is_refused = not db.keys.with_cas or old.cas != read.cas
    else:
        is_refused = b"nx" in read.words
    if is_refused:
        db.keys.shard(key).cas += 1
        return NULL  # with GET, too: it cannot be told from a first SET
    expires_ns = old.expires_ns if old and b"keepttl" in read.words else read.expires_ns
    db.keys.put(key, value, now, expires_ns=expires_ns, flags=read.flags)
    return bulk(old and old.value) if b"get" in read.words else OK


@command("setex")
def setex(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) != 4:
        return WRONG_COUNT
    seconds, now = signed(args[2]), now_ns()
    if seconds is None or seconds <= 0:
        return NO_EXPIRY
    return _store(db, args[1], args[3], now, SetOptions(min(MOST, now + min(MOST, seconds * SECOND))))


def _entry(db: Database, key: bytes, now: int) -> Entry | None:
    db.stats.count("cmd_get")
    entry = db.keys.get(key, now)
    db.stats.count("get_misses" if entry is None else "get_hits")
    return entry


def _look(db: Database, key: bytes, now: int) -> bytes | None:
    entry = _entry(db, key, now)
    return entry and entry.value


@command("get")
def get(db: Database, _: Session, args: list[bytes]) -> bytes:
    return bulk(_look(db, args[1], now_ns())) if len(args) == 2 else WRONG_COUNT


@command("mget")
def mget(db: Database, _: Session, args: list[bytes]) -> bytes:
    now = now_ns()
    return array(bulk(_look(db, key, now)) for key in args[1:]) if len(args) > 1 else WRONG_COUNT


@command("mgets")
def mgets(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) < 2:
        return WRONG_COUNT
    now = now_ns()
    found = [_entry(db, key, now) for key in args[1:]]
    return array(NULL if e is None else array([word(e.flags), word(e.cas), bulk(e.value)]) for e in found)


@command("del")
def del_(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) < 2:
        return WRONG_COUNT
    now, deleted = now_ns(), 0
    for key in args[1:]:
        is_gone = db.keys.delete(key, now)
        db.stats.count("delete_hits" if is_gone else "delete_misses")
        deleted += is_gone
    return integer(deleted)


@command("exists")
def exists(db: Database, _: Session, args: list[bytes]) -> bytes:
    now = now_ns()
    there = (db.keys.get(key, now, touch=False) is not None for key in args[1:])
    return integer(sum(there)) if len(args) > 1 else WRONG_COUNT


@command("touch")
def touch(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) < 2:
        return WRONG_COUNT
    now, touched = now_ns(), 0
    for key in args[1:]:
        is_there = db.keys.get(key, now) is not None
        db.stats.count("cmd_touch")
        db.stats.count("touch_hits" if is_there else "touch_misses")
        touched += is_there
    return integer(touched)


@command("ttl", "pttl")
def ttl(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) != 2:
        return WRONG_COUNT
    now = now_ns()
    entry = db.keys.get(args[1], now, touch=False)
    db.stats.count("get_misses" if entry is None else "get_hits")
    if entry is None:
        return integer(-2)
    unit = MILLISECOND if args[0].lower() == b"pttl" else SECOND
    return integer((entry.expires_ns - now) // unit if entry.expires_ns else -1)


@command("expire")
def expire(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) < 3:
        return WRONG_COUNT
    seconds, now = signed(args[2]), now_ns()
    if seconds is None:
        return NO_INTEGER
    entry = db.keys.get(args[1], now)
    if entry is None:
        return integer(0)
    # A moment before the machine's boot is no moment at all: the key stays, without one.
    db.keys.has_mortals = True
    entry.expires_ns = max(0, min(MOST, now + max(-MOST - 1, min(MOST, seconds * SECOND))))
    db.keys.shard(args[1]).cas += 1
    return integer(1)


@command("incr", "decr", "uincr", "udecr")
def incr(db: Database, _: Session, args: list[bytes]) -> bytes:
    return _add(db, args[0].lower(), args[1], 1) if len(args) == 2 else WRONG_COUNT


@command("incrby", "decrby", "uincrby", "udecrby")
def incrby(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) != 3:
        return WRONG_COUNT
    delta = (unsigned if args[0][:1].lower() == b"u" else signed)(args[2])
    return NO_INTEGER if delta is None else _add(db, args[0].lower(), args[1], delta)


def _add(db: Database, name: bytes, key: bytes, delta: int) -> bytes:
    is_unsigned, is_down, now = name.startswith(b"u"), b"decr" in name, now_ns()
    old = db.keys.get(key, now)
    number = 0 if old is None else (unsigned if is_unsigned else signed)(old.value)
    if number is None:
        return NO_INTEGER
    number += -delta if is_down else delta
    least, most = (0, 1 << 64) if is_unsigned else (-(1 << 63), 1 << 63)
    if not least <= number < most:
        return error("ERR increment or decrement would overflow")
    db.keys.put(key, str(number).encode(), now, expires_ns=old.expires_ns if old else 0, flags=old.flags if old else 0)
    db.stats.count("decr_hits" if is_down else "incr_hits")
    return word(number) if is_unsigned else integer(number)


@command("append", "prepend")
def append(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) != 3:
        return WRONG_COUNT
    _name, key, value = args
    now = now_ns()
    old = db.keys.get(key, now)
    if old is None:
        db.keys.put(key, value, now)
        return integer(len(value))
    whole = value + old.value if args[0].lower() == b"prepend" else old.value + value
    db.keys.put(key, whole, now, expires_ns=old.expires_ns, flags=old.flags)
    return integer(len(whole))


@command("dbsize")
def dbsize(db: Database, _: Session, args: list[bytes]) -> bytes:
    return integer(db.keys.count()) if len(args) == 1 else WRONG_COUNT


def _matcher(pattern: bytes) -> Callable[[bytes], object]:
    """`*`, `?` and the backslash; nothing else is special."""
    parts, letters = [], iter(pattern.decode("latin-1"))
    for letter in letters:
        if letter == "\\":
            letter = next(letters, "")
            parts.append(re.escape(letter) if letter else r"(?!)")
        else:
            parts.append({"*": ".*", "?": "."}.get(letter, re.escape(letter)))
    wanted = re.compile("".join(parts), re.DOTALL)
    return lambda key: wanted.fullmatch(key.decode("latin-1"))


@command("keys")
def keys(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) != 2:
        return WRONG_COUNT
    fits = _matcher(args[1])
    return array(bulk(key) for key in db.keys.keys(now_ns()) if fits(key))


@command("scan")
def scan(db: Database, _: Session, args: list[bytes]) -> bytes:
    if len(args) < 2:
        return WRONG_COUNT
    cursor = unsigned(args[1])
    if cursor is None:
        return error("ERR invalid cursor")
    count, pattern, rest = 100, b"*", iter(args[2:])
    for arg in rest:
        name, value = arg.lower(), next(rest, None)
        if value is None:
            return SYNTAX
        if name == b"match":
            pattern = value
        elif name == b"count":
            read = unsigned(value)
            if not read or read > 0x7FFFFFFF:
                return SYNTAX
            count = read
        elif name != b"type":
            return SYNTAX
        elif value.lower() != b"string":
            return error((b"ERR unknown type name '%b'" % value)[:127])
    found, cursor = _scan(db, cursor, count, pattern)
    return array([bulk(b"%d" % cursor), array(map(bulk, found))])


def _scan(db: Database, cursor: int, count: int, pattern: bytes) -> tuple[list[bytes], int]:
    fits, now, found = _matcher(pattern), now_ns(), []
    everything = list(db.keys.keys(now))
    for at in range(cursor, len(everything)):
        if len(found) == count:
            return found, at
        if fits(everything[at]):
            found.append(everything[at])
    return found, 0


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
