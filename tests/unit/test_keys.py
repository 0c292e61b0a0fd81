"""Names and keys: what may be called how, and that every key has exactly one hash tag."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexq.errors import InvalidName
from nexq.keys import (
    MAX_NAME,
    QUEUE_KEYS,
    SYSTEM_KEYS,
    check_id,
    check_namespace,
    check_queue,
    check_type,
    check_unique,
    queue_keys,
    system_keys,
    worker_control_keys,
)

CHECKS = [check_queue, check_type, check_id, check_unique, check_namespace]


@pytest.mark.parametrize("name", ["default", "a", "Mail-2", "eu/mail", "a.b_c@d+e", "9", "x" * MAX_NAME])
def test_queue_names_that_are_allowed(name: str) -> None:
    assert check_queue(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "_",
        "-a",
        ".a",
        "a b",
        "a:b",
        "{a}",
        "a}b",
        "a*",
        "a\n",
        "a\r\n",
        "a\0",
        "é",
        "x" * (MAX_NAME + 1),
        "\r\n*1\r\n",
    ],
)
def test_queue_names_that_are_not(name: str) -> None:
    with pytest.raises(InvalidName, match="is not a queue name"):
        check_queue(name)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME + 1), "a\n", "a\0b", "\x7f", "a\u2028b", "\ud800", 5, None, b"a"])
def test_no_name_is_empty_overlong_unprintable_or_no_text(check: Callable[[object], str], name: object) -> None:
    with pytest.raises(InvalidName):
        check(name)


@pytest.mark.parametrize(
    ("check", "bad"),
    [(check_type, "{}"), (check_id, "{}:/?#% "), (check_namespace, "{}:*?[] ")],
)
def test_each_kind_of_name_has_its_forbidden_letters(check: Callable[[str], str], bad: str) -> None:
    for letter in bad:
        with pytest.raises(InvalidName, match="it contains"):
            check(f"a{letter}b")


def test_a_unique_key_may_hold_what_others_may_not() -> None:
    assert check_unique("user {42}: día %") == "user {42}: día %"


def test_a_message_shows_at_most_sixty_characters_of_a_bad_name() -> None:
    with pytest.raises(InvalidName) as caught:
        check_queue("x" * 100_000)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=12))
def test_whatever_queue_name_is_taken_its_keys_have_one_hash_tag_that_is_the_queue(name: str) -> None:
    try:
        check_queue(name)
    except InvalidName:
        return
    for key in queue_keys("nexq", name).values():
        assert re.fullmatch(r"nexq:\{([^{}]+)\}:[a-z_]+:?", key)[1] == name  # type: ignore[index]


def test_no_queue_can_have_the_tag_of_what_belongs_to_none() -> None:
    (tag,) = {key.split("{")[1].split("}")[0] for key in system_keys("nexq").values()}
    with pytest.raises(InvalidName):
        check_queue(tag)


def test_keys_are_named_as_in_the_headers_of_the_scripts() -> None:
    assert queue_keys("ns", "mail")["running"] == "ns:{mail}:running"
    assert queue_keys("ns", "mail")["ready"] == "ns:{mail}:ready:"
    assert set(queue_keys("ns", "mail")) == {name.rstrip(":") for name in QUEUE_KEYS}
    assert set(system_keys("ns")) == {name.rstrip(":") for name in SYSTEM_KEYS}


def test_a_worker_is_told_on_a_list_of_its_own_and_one_per_queue() -> None:
    assert worker_control_keys("ns", ["a", "b"], "w1") == [
        "ns:{_}:control:w1",
        "ns:{a}:control:w1",
        "ns:{b}:control:w1",
    ]
