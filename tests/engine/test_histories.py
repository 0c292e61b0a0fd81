"""Random histories of commands: the engine says and keeps what a real server says and keeps."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.engine.twin import Twin
from tests.support.servers import Server

KEYS = st.sampled_from([b"a", b"a", b"a", b"b", b"c"])
NAMES = st.sampled_from([b"", b"x", b"y", b"z", b"X", b"\x00", b"\xff", b"xx", b"10", b"9", b"\xc3\xa4"])
VALUES = st.one_of(NAMES, st.integers(-1000, 1000), st.sampled_from([0.5, 1.5e-7, 1700000000000.001, 2**53, 0.1]))
#: Without -0.0 and what takes 17 digits: Redis 7 and Valkey 9 write these differently.
SCORES = st.one_of(
    st.integers(-3, 3),
    st.sampled_from([0.5, 1.5, 1700000000000.125, 2**53, 1e300, b"1", b"1.5", b"inf", b"-inf", b"+5", b".5", b"1e3"]),
)
BAD_SCORES = st.sampled_from([b"x", b"", b" 1", b"1 ", b"nan", b"1e400", b"1e-400", b"1_0", b"(1", float("nan")])
BOUNDS = st.one_of(SCORES, st.sampled_from([b"-inf", b"+inf", b"(1", b"(0", b"(1.5", b"(inf", b"(-inf"]))
BAD_BOUNDS = st.sampled_from([b"x", b"((1", b"nan", b"[1", b"(x"])
PLACES = st.one_of(st.integers(-4, 6), st.sampled_from([b"0", b"-1", b"1", 1000, -1000]))
BAD_INTS = st.sampled_from([b"x", b"", b"01", b"+1", b"-0", b" 1", 0.5, b"9223372036854775808"])
INTS = st.one_of(st.integers(-5, 5), st.sampled_from([b"9223372036854775807", b"-9223372036854775808", b"7"]))


def mostly(good: st.SearchStrategy[Any], bad: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Nine good ones to one bad."""
    return st.integers(0, 9).flatmap(lambda n: bad if n == 9 else good)


def command(name: bytes, *parts: st.SearchStrategy[Any], **more: Any) -> st.SearchStrategy[list[Any]]:
    """A command on a key. `rest`: a strategy of the list of arguments that follow."""
    rest = more.get("rest", st.just([]))
    return st.tuples(KEYS, st.tuples(*parts), rest).map(lambda t: [name, t[0], *t[1], *t[2]])


def flat(pair: st.SearchStrategy[tuple[Any, Any]]) -> st.SearchStrategy[list[Any]]:
    """A list of pairs, one after the other."""
    return st.lists(pair, min_size=1, max_size=5).map(lambda pairs: [part for pair in pairs for part in pair])


NAME_LISTS = st.lists(NAMES, min_size=1, max_size=5)
ADD_OPTIONS = st.sampled_from([[], [], [], [b"NX"], [b"XX"], [b"GT"], [b"xx", b"gt"], [b"NX", b"XX"], [b"NX", b"GT"]])
score, bound, place, integer = (
    mostly(SCORES, BAD_SCORES),
    mostly(BOUNDS, BAD_BOUNDS),
    mostly(PLACES, BAD_INTS),
    mostly(INTS, BAD_INTS),
)
LIMITS = st.one_of(st.just([]), st.tuples(st.just(b"LIMIT"), place, place).map(list))
ENDINGS = st.lists(st.sampled_from([b"REV", b"WITHSCORES", b"rev"]), max_size=2)
ADDS = st.tuples(ADD_OPTIONS, flat(st.tuples(score, NAMES))).map(lambda t: [*t[0], *t[1]])
SET_ENDINGS = st.sampled_from(
    [[], [], [b"NX"], [b"PX", 100_000], [b"nx", b"px", b"500000"], [b"PX", 0], [b"PX"], [b"?"]]
)
POPS = st.one_of(st.just([]), mostly(st.integers(0, 4), st.sampled_from([-1, b"x"])).map(lambda n: [n]))

zsets = st.one_of(
    command(b"ZADD", rest=ADDS),
    command(b"ZADD", rest=ADDS),
    command(b"ZREM", rest=NAME_LISTS),
    command(b"ZSCORE", NAMES),
    command(b"ZMSCORE", rest=NAME_LISTS),
    command(b"ZCARD"),
    command(b"ZCOUNT", bound, bound),
    command(b"ZRANK", NAMES),
    command(b"ZREVRANK", NAMES),
    command(b"ZRANGE", place, place, rest=ENDINGS),
    command(b"ZRANGE", place, place, rest=st.tuples(LIMITS, ENDINGS).map(lambda t: [*t[0], *t[1]])),
    command(b"ZRANGE", bound, bound, rest=st.tuples(LIMITS, ENDINGS).map(lambda t: [b"BYSCORE", *t[0], *t[1]])),
    command(b"ZREMRANGEBYRANK", place, place),
    command(b"ZREMRANGEBYSCORE", bound, bound),
    command(b"ZPOPMIN", rest=POPS),
)
hashes = st.one_of(
    command(b"HSET", rest=flat(st.tuples(NAMES, VALUES))),
    command(b"HSET", rest=st.lists(NAMES, max_size=5)),
    command(b"HSETNX", NAMES, VALUES),
    command(b"HGET", NAMES),
    command(b"HMGET", rest=NAME_LISTS),
    command(b"HDEL", rest=NAME_LISTS),
    command(b"HEXISTS", NAMES),
    command(b"HLEN"),
    command(b"HKEYS"),
    command(b"HVALS"),
    command(b"HGETALL"),
    command(b"HINCRBY", NAMES, integer),
)
lists = st.one_of(
    command(b"RPUSH", rest=st.lists(VALUES, max_size=4)),
    command(b"LPUSH", rest=st.lists(VALUES, max_size=4)),
    command(b"LPOP", rest=POPS),
    command(b"RPOP", rest=POPS),
    command(b"LLEN"),
    command(b"LRANGE", place, place),
    command(b"LTRIM", place, place),
)
keys = st.one_of(
    command(b"SET", VALUES, rest=SET_ENDINGS),
    command(b"GET"),
    command(b"INCR"),
    command(b"INCRBY", integer),
    command(b"EXISTS", rest=st.lists(KEYS, max_size=3)),
    command(b"DEL", rest=st.lists(KEYS, max_size=2)),
    command(b"TYPE"),
    command(b"PEXPIRE", mostly(st.sampled_from([100_000, b"900000", -1, 0]), BAD_INTS)),
    command(b"PTTL"),
    command(b"PUBLISH", VALUES),
    st.just([b"TIME"]),
    st.lists(st.sampled_from([b"get", b"HGET", b"ZRANGE", b"a", b"NOPE", 1, 1.5]), max_size=4),
)
# No shrinking: it takes minutes, and the failing command is named anyway.
PLAY = settings(
    max_examples=60,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@PLAY
@given(first=ADDS, history=st.lists(zsets, min_size=20, max_size=60))
def test_sorted_sets(server: Server, first: list[Any], history: list[list[Any]]) -> None:
    Twin(server).history([[b"ZADD", b"a", 1, b"x", 1, b"y", 2, b"z"], [b"ZADD", b"a", *first], *history])


def test_every_range(twin: Twin) -> None:
    """All ranges of one sorted set with ties: by score, by place, reversed, with every limit."""
    twin.history([[b"ZADD", b"z", -1, b"a", 1, b"b", 1, b"c", 1, b"d", 2.5, b"e", 3, b"f", b"inf", b"g"]])
    bounds = [b"-inf", b"(-inf", 1, b"(1", 2.5, b"(2.5", b"inf", b"(inf"]
    limits: list[list[Any]] = [[], *([b"LIMIT", offset, count] for offset in (-1, 0, 2, 9) for count in (-1, 0, 2, 9))]
    by_score = [
        [b"ZRANGE", b"z", low, high, b"BYSCORE", *limit, *rev]
        for low, high in product(bounds, bounds)
        for limit, rev in product(limits, ([], [b"REV"]))
    ]
    places = range(-9, 10, 2)
    by_place = [[b"ZRANGE", b"z", *pair, *rev] for pair in product(places, places) for rev in ([], [b"REV"])]
    counts = [[b"ZCOUNT", b"z", *pair] for pair in product(bounds, bounds)]
    ranks = [[name, b"z", member] for name in (b"ZRANK", b"ZREVRANK") for member in (b"a", b"c", b"g", b"none")]
    twin.history([*by_score, *by_place, *counts, *ranks])


def test_scores_only_go_up_with_gt(twin: Twin) -> None:
    start: list[Any] = [b"ZADD", b"z", 1, b"a", b"inf", b"b", -2, b"c"]
    scores = [-3, -2, 0.5, 1, 1.5, b"inf", b"-inf"]
    names = [b"a", b"b", b"c", b"d"]
    for options in ([b"GT"], [b"XX", b"GT"], [b"XX"], [b"NX"]):
        adds = [[b"ZADD", b"z", *options, score, name, 0, b"n"] for score in scores for name in names]
        twin.history([part for add in adds for part in (start, add, [b"ZRANGE", b"z", 0, -1, b"WITHSCORES"])])


@PLAY
@given(history=st.lists(st.one_of(hashes, hashes, hashes, keys), min_size=10, max_size=40))
def test_hashes(server: Server, history: list[list[Any]]) -> None:
    Twin(server).history(history)


@PLAY
@given(history=st.lists(st.one_of(lists, lists, lists, keys), min_size=10, max_size=40))
def test_lists(server: Server, history: list[list[Any]]) -> None:
    Twin(server).history(history)


@PLAY
@given(history=st.lists(st.one_of(keys, zsets, hashes, lists), min_size=20, max_size=60))
def test_all_types_on_the_same_keys(server: Server, history: list[list[Any]]) -> None:
    Twin(server).history(history)
