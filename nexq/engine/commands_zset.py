"""Commands on sorted sets. Each takes the keyspace and its arguments, the key first.

Those that take scores get their arguments as Lua passed them, so that a number need not become a text and back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from nexq.engine.commands_list import place_range
from nexq.engine.keyspace import Keyspace
from nexq.engine.values import (
    NOT_FLOAT,
    SYNTAX,
    CommandError,
    RawArg,
    Result,
    format_score,
    parse_bound,
    parse_count,
    parse_int,
    parse_score,
    to_bytes,
)
from nexq.engine.zset import Pair, SortedSet

Args = tuple[bytes, ...]
Raw = tuple[RawArg, ...]

_BYTES = {bytes}
_NUMBERS = {int, float}
_ADD_OPTIONS = frozenset({b"NX", b"XX", b"GT"})


def zadd(space: Keyspace, args: Raw) -> Result:
    """ZADD key [NX | XX] [GT] score member …: how many are new."""
    first, options = _read_add_options(args)
    scores: Sequence[RawArg] = args[first::2]
    members: Sequence[RawArg] = args[first + 1 :: 2]
    if not members or len(scores) != len(members):
        raise CommandError(SYNTAX)
    if b"NX" in options and len(options) > 1:
        if b"XX" in options:
            raise CommandError("ERR XX and NX options at the same time are not compatible")
        raise CommandError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if not {*map(type, members)} <= _BYTES:
        members = [to_bytes(member) for member in members]
    if not {*map(type, scores)} <= _NUMBERS:
        scores = [parse_score(score) for score in scores]
    elif any(score != score for score in scores):
        raise CommandError(NOT_FLOAT)
    key = to_bytes(args[0])
    found = space.find_zset(key)
    pairs: list[Pair] = list(zip(scores, members, strict=True))  # type: ignore[arg-type]
    if options:
        if found is None:
            if b"XX" in options:
                return 0
            found = space.values[key] = SortedSet()
        return _add_some(found, pairs, options)
    if found is None:
        found = space.values[key] = SortedSet()
    return found.add(pairs)


def _read_add_options(args: Raw) -> tuple[int, set[bytes]]:
    """(the place of the first score, the options before it)."""
    options: set[bytes] = set()
    for at in range(1, len(args)):
        word = args[at]
        if type(word) is not bytes or word.upper() not in _ADD_OPTIONS:
            return at, options
        options.add(word.upper())
    return len(args), options


def _add_some(found: SortedSet, pairs: list[Pair], options: set[bytes]) -> int:
    """Add one by one, as a repeated member meets what the one before it did."""
    count = 0
    for pair in pairs:
        old = found.scores.get(pair[1])
        if old is None:
            if b"XX" not in options:
                count += found.add((pair,))
        elif b"NX" not in options and (b"GT" not in options or pair[0] > old):
            found.add((pair,))
    return count


def zrem(space: Keyspace, args: Args) -> Result:
    """ZREM key member …: how many were in."""
    found = space.find_zset(args[0])
    if found is None:
        return 0
    count = found.remove(args[1:])
    if not found:
        space.delete(args[0])
    return count


def zscore(space: Keyspace, args: Args) -> Result:
    """ZSCORE key member."""
    found = space.find_zset(args[0])
    score = found.scores.get(args[1]) if found else None
    return False if score is None else format_score(score)


def zmscore(space: Keyspace, args: Args) -> Result:
    """ZMSCORE key member …."""
    found = space.find_zset(args[0])
    scores = map((found.scores if found else {}).get, args[1:])
    return [False if score is None else format_score(score) for score in scores]


def zcard(space: Keyspace, args: Args) -> Result:
    """ZCARD key."""
    return len(space.find_zset(args[0]) or ())


def zrank(space: Keyspace, args: Args) -> Result:
    """ZRANK key member: its place, the lowest score at 0."""
    found = space.find_zset(args[0])
    rank = found.rank(args[1]) if found else None
    return False if rank is None else rank


def zrevrank(space: Keyspace, args: Args) -> Result:
    """ZREVRANK key member: its place, the highest score at 0."""
    found = space.find_zset(args[0])
    rank = found.rank(args[1]) if found else None
    return False if found is None or rank is None else len(found) - 1 - rank


def _score_places(found: SortedSet | None, low: tuple[float, bool], high: tuple[float, bool]) -> tuple[int, int]:
    """The slice of the members whose scores are within the bounds."""
    if found is None:
        return 0, 0
    start = found.below(low[0], inclusive=low[1])
    return start, max(start, found.below(high[0], inclusive=not high[1]))


def zcount(space: Keyspace, args: Raw) -> Result:
    """ZCOUNT key min max."""
    low, high = parse_bound(args[1]), parse_bound(args[2])
    start, stop = _score_places(space.find_zset(to_bytes(args[0])), low, high)
    return stop - start


def zrange(space: Keyspace, args: Raw) -> Result:
    """ZRANGE key start stop [BYSCORE] [REV] [LIMIT offset count] [WITHSCORES]."""
    by_score, rev, with_scores, limit = _read_range_options(args[3:])
    if by_score:
        low, high = (args[2], args[1]) if rev else (args[1], args[2])
        bounds = parse_bound(low), parse_bound(high)
        found = space.find_zset(to_bytes(args[0]))
        start, stop = _limit_places(*_score_places(found, *bounds), limit, rev=rev)
    else:
        # -1 is what Redis takes for no limit.
        if limit is not None and limit[1] != -1:
            raise CommandError("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
        places = parse_int(args[1]), parse_int(args[2])
        found = space.find_zset(to_bytes(args[0]))
        start, stop = place_range(*places, len(found or ()))
        if rev and found:
            start, stop = (len(found) - stop, len(found) - start) if start < stop else (0, 0)
    if found is None or start >= stop:
        return []
    pairs = found.slice(start, stop)
    return _show(reversed(pairs) if rev else pairs, with_scores=with_scores)


@lru_cache(maxsize=512)
def _read_range_options(words: Raw) -> tuple[bool, bool, bool, tuple[int, int] | None]:
    """(BYSCORE, REV, WITHSCORES, LIMIT) of a ZRANGE. Scripts say the same few again and again."""
    by_score = rev = with_scores = False
    limit: tuple[int, int] | None = None
    at = 0
    while at < len(words):
        option = to_bytes(words[at]).upper()
        if option == b"BYSCORE" and not by_score:
            by_score = True
        elif option == b"REV" and not rev:
            rev = True
        elif option == b"WITHSCORES":
            with_scores = True
        elif option == b"LIMIT" and at + 2 < len(words):
            limit = parse_int(words[at + 1]), parse_int(words[at + 2])
            at += 2
        else:
            raise CommandError(SYNTAX)
        at += 1
    return by_score, rev, with_scores, limit


def _limit_places(start: int, stop: int, limit: tuple[int, int] | None, *, rev: bool) -> tuple[int, int]:
    """The part of the slice that LIMIT leaves; it counts from the end with REV."""
    if limit is None:
        return start, stop
    offset, count = limit
    if offset < 0:
        return 0, 0
    if rev:
        stop -= offset
        return (start if count < 0 else max(start, stop - count)), stop
    start += offset
    return start, (stop if count < 0 else min(stop, start + count))


def _show(pairs: Iterable[Pair], *, with_scores: bool) -> Result:
    if not with_scores:
        return [member for _, member in pairs]
    return [part for score, member in pairs for part in (member, format_score(score))]


def zremrangebyrank(space: Keyspace, args: Raw) -> Result:
    """ZREMRANGEBYRANK key start stop: how many were dropped."""
    start, stop = parse_int(args[1]), parse_int(args[2])
    key = to_bytes(args[0])
    found = space.find_zset(key)
    return len(_cut(space, key, found, *place_range(start, stop, len(found or ()))))


def zremrangebyscore(space: Keyspace, args: Raw) -> Result:
    """ZREMRANGEBYSCORE key min max: how many were dropped."""
    low, high = parse_bound(args[1]), parse_bound(args[2])
    key = to_bytes(args[0])
    found = space.find_zset(key)
    return len(_cut(space, key, found, *_score_places(found, low, high)))


def zpopmin(space: Keyspace, args: Raw) -> Result:
    """ZPOPMIN key [count]: member, score, … of the lowest."""
    key = to_bytes(args[0])
    if len(args) > 2:
        raise CommandError(SYNTAX)
    count = parse_count(args[1]) if len(args) == 2 else 1
    found = space.find_zset(key)
    return _show(_cut(space, key, found, 0, min(count, len(found or ()))), with_scores=True)


def _cut(space: Keyspace, key: bytes, found: SortedSet | None, start: int, stop: int) -> Sequence[Pair]:
    if found is None or start >= stop:
        return ()
    pairs = found.cut(start, stop)
    if not found:
        space.delete(key)
    return pairs
