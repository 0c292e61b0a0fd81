"""Payloads: JSON as it is, and nothing that is not."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexq.errors import InvalidPayload, PayloadTooLarge
from nexq.payload import DEFAULT_LIMIT, dump_payload, loads

text = st.text(st.characters(codec="utf-8"), max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4), max_leaves=12
)


@given(values)
def test_json_comes_back(value: Any) -> None:
    assert loads(dump_payload(value)) == value


@given(values)
def test_what_is_stored_is_json_for_everybody(value: Any) -> None:
    assert json.loads(dump_payload(value)) == value


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        (math.nan, ""),
        ([1, math.inf], "/1"),
        ({"a": {"b": [-math.inf]}}, "/a/b/0"),
        ({"a/b": {"c~d": math.nan}, "n": None}, "/a~1b/c~0d"),
        ((1, math.nan), "/1"),
    ],
)
def test_nan_and_infinity_are_refused_and_their_place_named(value: Any, pointer: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        dump_payload(value)
    assert [p["pointer"] for p in caught.value.problems] == [pointer]


def test_null_is_no_nan() -> None:
    assert dump_payload({"a": None, "b": "null"}) == b'{"a":null,"b":"null"}'


def test_nan_beside_an_integer_beyond_64_bits_is_refused_too() -> None:
    with pytest.raises(InvalidPayload):
        dump_payload([2**70, math.nan])


@pytest.mark.parametrize("value", [object(), {(1, 2): 3}, "\ud800", lambda: None])
def test_what_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidPayload, match="is not JSON"):
        dump_payload(value)


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(InvalidPayload):
        dump_payload(loop)


def test_the_limit_is_exact_and_the_error_says_both_sizes() -> None:
    fits = "x" * (DEFAULT_LIMIT - 2)
    assert len(dump_payload(fits)) == DEFAULT_LIMIT
    with pytest.raises(PayloadTooLarge) as caught:
        dump_payload(fits + "x")
    assert (caught.value.size, caught.value.limit) == (DEFAULT_LIMIT + 1, DEFAULT_LIMIT)
    assert dump_payload(fits + "x", limit=DEFAULT_LIMIT + 1)


def test_large_integers_keep_every_digit() -> None:
    for value in (2**53 + 1, 2**63, 2**64, -(2**64), 10**100):
        assert loads(dump_payload({"n": value})) == {"n": value}
