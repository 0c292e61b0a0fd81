"""Commands on lists. Each takes the keyspace and its arguments, the key first."""

from __future__ import annotations

from collections import deque
from itertools import islice

from nexq.engine.keyspace import Keyspace
from nexq.engine.values import OK, CommandError, Result, parse_count, parse_int

Args = tuple[bytes, ...]


def place_range(start: int, stop: int, length: int) -> tuple[int, int]:
    """Redis's inclusive places, which count from the end when negative, as a Python slice; (0, 0) for none."""
    if start < 0:
        start = max(0, start + length)
    if stop < 0:
        stop += length
    stop = min(stop, length - 1) + 1
    return (start, stop) if start < stop else (0, 0)


def rpush(space: Keyspace, args: Args) -> Result:
    """RPUSH key element …: the new length."""
    found = _list_to_fill(space, args[0])
    found.extend(args[1:])
    return len(found)


def lpush(space: Keyspace, args: Args) -> Result:
    """LPUSH key element …: the new length."""
    found = _list_to_fill(space, args[0])
    found.extendleft(args[1:])
    return len(found)


def _list_to_fill(space: Keyspace, key: bytes) -> deque[bytes]:
    found = space.find_list(key)
    if found is None:
        found = space.values[key] = deque()
    space.pushed.append(key)
    return found


def lpop(space: Keyspace, args: Args) -> Result:
    """LPOP key [count]."""
    return _pop(space, args, "lpop", left=True)


def rpop(space: Keyspace, args: Args) -> Result:
    """RPOP key [count]."""
    return _pop(space, args, "rpop", left=False)


def _pop(space: Keyspace, args: Args, name: str, *, left: bool) -> Result:
    key = args[0]
    if len(args) > 2:
        raise CommandError(f"ERR wrong number of arguments for '{name}' command")
    count = parse_count(args[1]) if len(args) == 2 else None
    found = space.find_list(key)
    if found is None:
        return False
    take = found.popleft if left else found.pop
    if count is None:
        result: Result = take()
    else:
        result = [take() for _ in range(min(count, len(found)))]
    if not found:
        space.delete(key)
    return result


def llen(space: Keyspace, args: Args) -> Result:
    """LLEN key."""
    return len(space.find_list(args[0]) or ())


def lrange(space: Keyspace, args: Args) -> Result:
    """LRANGE key start stop."""
    start, stop = parse_int(args[1]), parse_int(args[2])
    found = space.find_list(args[0]) or deque[bytes]()
    return list(islice(found, *place_range(start, stop, len(found))))


def ltrim(space: Keyspace, args: Args) -> Result:
    """LTRIM key start stop: keep only that range."""
    start, stop = parse_int(args[1]), parse_int(args[2])
    found = space.find_list(args[0])
    if found is None:
        return OK
    start, stop = place_range(start, stop, len(found))
    if start == stop:
        space.delete(args[0])
        return OK
    for _ in range(len(found) - stop):
        found.pop()
    for _ in range(start):
        found.popleft()
    return OK
