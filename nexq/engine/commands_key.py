"""Commands on keys and strings, and those that touch none. Each takes the keyspace and its arguments."""

from __future__ import annotations

from collections import deque

from nexq.engine.keyspace import Keyspace
from nexq.engine.values import INT_MAX, INT_MIN, NOT_INT, OK, SYNTAX, CommandError, Result, Status, parse_int

Args = tuple[bytes, ...]

_TYPES: dict[type, Status] = {bytes: Status(b"string"), dict: Status(b"hash"), deque: Status(b"list")}


def exists(space: Keyspace, args: Args) -> Result:
    """EXISTS key …: how many of them are there, a repeated one counted again."""
    return sum(key in space.values for key in args)


def delete(space: Keyspace, args: Args) -> Result:
    """DEL key …: how many were there."""
    return sum([space.delete(key) for key in args])


def type_of(space: Keyspace, args: Args) -> Result:
    """TYPE key."""
    value = space.values.get(args[0])
    if value is None:
        return Status(b"none")
    return _TYPES.get(type(value), Status(b"zset"))


def pexpire(space: Keyspace, args: Args) -> Result:
    """PEXPIRE key ms: 1 if the key is there. A time that is not in the future drops it."""
    ttl_ms = parse_int(args[1])
    if not INT_MIN <= ttl_ms + space.now_us // 1000 <= INT_MAX:
        raise CommandError("ERR invalid expire time in 'pexpire' command")
    if args[0] not in space.values:
        return 0
    if ttl_ms <= 0:
        space.delete(args[0])
    else:
        space.expire_at(args[0], space.now_us // 1000 + ttl_ms)
    return 1


def pttl(space: Keyspace, args: Args) -> Result:
    """PTTL key: ms left, -1 for a key that stays, -2 for none."""
    if args[0] not in space.values:
        return -2
    deadline_ms = space.expires.get(args[0])
    return -1 if deadline_ms is None else max(0, deadline_ms - space.now_us // 1000)


def get(space: Keyspace, args: Args) -> Result:
    """GET key."""
    value = space.find_string(args[0])
    return False if value is None else value


def set_(space: Keyspace, args: Args) -> Result:
    """SET key value [NX] [PX ms]."""
    key, value = args[0], args[1]
    only_new, ttl_text = False, None
    at = 2
    while at < len(args):
        option = args[at].upper()
        if option == b"NX":
            only_new = True
        elif option == b"PX" and ttl_text is None and at + 1 < len(args):
            at += 1
            ttl_text = args[at]
        else:
            raise CommandError(SYNTAX)
        at += 1
    ttl_ms = None
    if ttl_text is not None:
        ttl_ms = parse_int(ttl_text)
        if not 0 < ttl_ms <= INT_MAX - space.now_us // 1000:
            raise CommandError("ERR invalid expire time in 'set' command")
    if only_new and key in space.values:
        return False
    space.delete(key)
    space.values[key] = value
    if ttl_ms is not None:
        space.expire_at(key, space.now_us // 1000 + ttl_ms)
    return OK


def incr(space: Keyspace, args: Args) -> Result:
    """INCR key: the new value."""
    return incrby(space, (args[0], b"1"))


def incrby(space: Keyspace, args: Args) -> Result:
    """INCRBY key increment: the new value."""
    step = parse_int(args[1])
    value = space.find_string(args[0])
    total = parse_int(b"0" if value is None else value, NOT_INT) + step
    if not INT_MIN <= total <= INT_MAX:
        raise CommandError("ERR increment or decrement would overflow")
    space.values[args[0]] = b"%d" % total
    return total


def time(space: Keyspace, args: Args) -> Result:
    """TIME: seconds since 1970 and microseconds, as texts; the same in the whole script."""
    seconds, micros = divmod(space.now_us, 1_000_000)
    return [b"%d" % seconds, b"%d" % micros]


def publish(space: Keyspace, args: Args) -> Result:
    """PUBLISH channel message: nobody subscribes to an engine, so 0 receivers."""
    return 0
