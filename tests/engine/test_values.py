"""Numbers as Redis writes and reads them."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator

import pytest

from nexq.engine.values import CommandError, format_score, parse_bound, parse_int, parse_score, to_bytes
from tests.engine.twin import Twin


def doubles(count: int) -> Iterator[float]:
    """Random doubles: any bit pattern, times in ms with a fraction, short decimals, around powers."""
    rng = random.Random(7)
    for _ in range(count):
        yield struct.unpack("<d", rng.randbytes(8))[0]
        yield rng.randrange(1_600_000_000_000, 1_900_000_000_000) + rng.randrange(1000) / 1000
        yield round(rng.uniform(-1000, 1000), rng.randrange(6))
        yield float(rng.choice([2**52, 2**53, 10**15, 10**17, 1e-5]) + rng.randrange(-3, 4))
        yield 10.0 ** rng.randrange(-30, 30) * rng.randrange(1, 100)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, b"0"),
        (-7, b"-7"),
        (0.1, b"0.10000000000000001"),
        (1.5, b"1.5"),
        (2**53, b"9007199254740992"),
        (99999999999999984, b"99999999999999984"),
        (10**17, b"1e+17"),
        (1e300, b"1.0000000000000001e+300"),
        (math.inf, b"inf"),
        (-math.inf, b"-inf"),
        (math.nan, b"nan"),
        (-math.nan, b"-nan"),
        (b"x", b"x"),
    ],
)
def test_a_number_becomes_a_text_of_17_digits(number: object, text: bytes) -> None:
    assert to_bytes(number) == text


@pytest.mark.parametrize("value", [None, True, "x", []])
def test_nothing_else_is_an_argument(value: object) -> None:
    with pytest.raises(CommandError, match="must be strings or integers"):
        to_bytes(value)


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0, b"0"),
        (0.0, b"0"),
        (-0.0, b"-0"),
        (5.0, b"5"),
        (0.1, b"0.1"),
        (1700000000000.001, b"1700000000000.001"),
        (2.0**52, b"4503599627370496"),
        (2.0**53, b"9007199254740992"),
        (1e22, b"1e+22"),
        (1.5e-7, b"1.5e-7"),
        (12345.678901234567, b"1.2345678901234567e+4"),
        (math.inf, b"inf"),
        (-math.inf, b"-inf"),
    ],
)
def test_a_score_is_the_shortest_text(score: float, text: bytes) -> None:
    assert format_score(score) == text


def test_every_score_reads_back_as_itself() -> None:
    for score in doubles(4000):
        if not math.isnan(score):
            assert float(format_score(score)) == score
            assert float(to_bytes(score)) == score


def test_scores_are_written_as_by_the_server(twin: Twin) -> None:
    version = twin.wire.call("INFO", "server")
    if b"valkey_version" not in version and b"redis_version:7.0" in version:
        pytest.skip("Redis 7.0 writes 17 digits; the engine writes what later servers do")
    scores = [s for s in doubles(1000) if not math.isnan(s)]
    twin.wire.call("ZADD", "z", *[part for i, s in enumerate(scores) for part in (repr(s), f"{i}")])
    theirs = twin.wire.call("ZMSCORE", "z", *[f"{i}" for i in range(len(scores))])
    different = [(format_score(s), t) for s, t in zip(scores, theirs, strict=True) if format_score(s) != t]
    # The servers' printer misses the shortest text in about one of 200 cases; the double is the same.
    assert all(float(ours) == float(theirs) for ours, theirs in different)
    assert len(different) < len(scores) / 50


def test_numbers_in_texts_are_written_as_by_the_server(twin: Twin) -> None:
    if b"valkey_version" in twin.wire.call("INFO", "server"):
        pytest.skip("Valkey 9 writes the shortest text, Redis 17 digits")
    numbers = [n for n in doubles(500) if not math.isnan(n) and n != 0]
    loop = "for i = 1, #ARGV do redis.call('SET', 'k', tonumber(ARGV[i])) out[i] = redis.call('GET', 'k') end"
    args = [repr(n).encode() for n in numbers]
    assert twin.eval(f"local out = {{}} {loop} return out", (), args) == [to_bytes(n) for n in numbers]


@pytest.mark.parametrize(
    "text", [b"", b"x", b" 1", b"1 ", b"1_0", b"0x10", b"nan", b"1e400", b"-1e400", b"1e-400", b"."]
)
def test_what_is_no_score(text: bytes) -> None:
    with pytest.raises(CommandError, match="not a valid float"):
        parse_score(text)


@pytest.mark.parametrize(
    ("text", "score"),
    [
        (b"1", 1.0),
        (b"+5", 5.0),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"1e3", 1000.0),
        (b"-inf", -math.inf),
        (b"Infinity", math.inf),
    ],
)
def test_what_is_a_score(text: bytes, score: float) -> None:
    assert parse_score(text) == score


@pytest.mark.parametrize("text", [b"", b"+1", b"01", b"-0", b" 1", b"1.0", b"9223372036854775808", 0.5, 1e17])
def test_what_is_no_integer(text: bytes | float) -> None:
    with pytest.raises(CommandError, match="not an integer"):
        parse_int(text)


def test_a_bound_may_be_exclusive() -> None:
    assert parse_bound(b"(5") == (5.0, True)
    assert parse_bound(b"-inf") == (-math.inf, False)
    assert parse_bound(3) == (3, False)
    assert parse_bound(b"") == (0.0, False)
    with pytest.raises(CommandError, match="min or max is not a float"):
        parse_bound(b"((5")
