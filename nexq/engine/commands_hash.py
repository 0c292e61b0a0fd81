"""Commands on hashes. Each takes the keyspace and its arguments, the key first."""

from __future__ import annotations

from itertools import repeat

from nexq.engine.keyspace import Keyspace
from nexq.engine.values import INT_MAX, INT_MIN, CommandError, Result, parse_int

Args = tuple[bytes, ...]


def hget(space: Keyspace, args: Args) -> Result:
    """HGET key field."""
    found = space.find_hash(args[0])
    return found.get(args[1], False) if found else False


def hmget(space: Keyspace, args: Args) -> Result:
    """HMGET key field …."""
    found = space.find_hash(args[0]) or {}
    return list(map(found.get, args[1:], repeat(False)))


def hset(space: Keyspace, args: Args) -> Result:
    """HSET key field value …: how many fields are new."""
    if len(args) % 2 == 0:
        raise CommandError("ERR wrong number of arguments for 'hset' command")
    found = space.find_hash(args[0])
    if found is None:
        found = space.values[args[0]] = {}
    before = len(found)
    found.update(zip(args[1::2], args[2::2], strict=True))
    return len(found) - before


def hsetnx(space: Keyspace, args: Args) -> Result:
    """HSETNX key field value: 1 if the field was not there."""
    found = space.find_hash(args[0])
    if found is None:
        space.values[args[0]] = {args[1]: args[2]}
        return 1
    if args[1] in found:
        return 0
    found[args[1]] = args[2]
    return 1


def hdel(space: Keyspace, args: Args) -> Result:
    """HDEL key field …: how many were there."""
    found = space.find_hash(args[0])
    if found is None:
        return 0
    before = len(found)
    for field in args[1:]:
        found.pop(field, None)
    count = before - len(found)
    if not found:
        space.delete(args[0])
    return count


def hexists(space: Keyspace, args: Args) -> Result:
    """HEXISTS key field."""
    found = space.find_hash(args[0])
    return 1 if found and args[1] in found else 0


def hlen(space: Keyspace, args: Args) -> Result:
    """HLEN key."""
    return len(space.find_hash(args[0]) or ())


def hincrby(space: Keyspace, args: Args) -> Result:
    """HINCRBY key field increment: the new value."""
    step = parse_int(args[2])
    found = space.find_hash(args[0])
    total = parse_int((found or {}).get(args[1], b"0"), "ERR hash value is not an integer") + step
    if not INT_MIN <= total <= INT_MAX:
        raise CommandError("ERR increment or decrement would overflow")
    if found is None:
        found = space.values[args[0]] = {}
    found[args[1]] = b"%d" % total
    return total


# Redis promises no order of fields. Here it is the bytes' order, as it must not depend on how the hash came to be:
# an engine that was loaded from a dump answers as the one that was dumped.


def hgetall(space: Keyspace, args: Args) -> Result:
    """HGETALL key: field, value, …, sorted by field."""
    return [part for pair in sorted((space.find_hash(args[0]) or {}).items()) for part in pair]


def hkeys(space: Keyspace, args: Args) -> Result:
    """HKEYS key: the fields, sorted."""
    return [*sorted(space.find_hash(args[0]) or {})]


def hvals(space: Keyspace, args: Args) -> Result:
    """HVALS key: the values, sorted by their fields."""
    return [value for _, value in sorted((space.find_hash(args[0]) or {}).items())]
