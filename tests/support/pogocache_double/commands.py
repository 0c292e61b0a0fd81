"""The commands on keys: their checks in the real server's order, their replies, their error texts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support.pogocache_double.keyspace import Entry, now_ns
from tests.support.pogocache_double.table import NO_INTEGER, SYNTAX, WRONG_COUNT, Database, Session, command
from tests.support.pogocache_double.wire import NULL, OK, array, bulk, error, integer, signed, unsigned, word

NO_EXPIRY = error("ERR invalid expire time")
SECOND, MILLISECOND = 10**9, 10**6
MOST = (1 << 63) - 1


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
