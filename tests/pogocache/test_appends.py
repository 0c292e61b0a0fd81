"""The checker of the appends is checked: each kind of harm that may come to a log has to be seen."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pogocache.appends import judge


def told(*lines: tuple[float, str, str, int]) -> list[dict[str, Any]]:
    """Diary lines: when, phase, name, place."""
    return [{"t": t, "proc": "p", "phase": phase, "name": name, "place": place} for t, phase, name, place in lines]


HISTORY = told(
    *[(1, "call", "a", 0), (2, "ok", "a", 1), (3, "call", "b", 0), (4, "call", "c", 0), (5, "ok", "c", 2)],
    *[(6, "ok", "b", 3), (7, "call", "d", 0), (8, "unknown", "d", 0), (9, "call", "e", 0), (10, "fail", "e", 0)],
    (11, "call", "f", 0),
)


@pytest.mark.parametrize("names", ["a c b", "a c b d", "a c b f d"])
def test_a_sound_list_passes(names: str) -> None:
    verdict = judge(HISTORY, names.split())
    assert not verdict.breaches, str(verdict)
    assert (verdict.acked, verdict.unknown, verdict.failed) == (3, 2, 1)


@pytest.mark.parametrize(
    ("names", "kind", "says"),
    [
        ("a c", "lost", "b was acknowledged at place 3"),
        ("a c b a", "doubled", "a is there 2 times"),
        ("a b c", "forked", "b was told place 3, and is at 2"),
        ("d a c b", "forked", "a was told place 1"),
        ("a c b e", "odd", "e is at 4, and its process was told that nothing was changed"),
        ("a c b x", "odd", "nobody appended it"),
        ("c a b", "odd", "a was acknowledged before one was begun"),
    ],
)
def test_harm_is_seen(names: str, kind: str, says: str) -> None:
    verdict = judge(HISTORY, names.split())
    assert any(says in breach for breach in getattr(verdict, kind)), str(verdict)
