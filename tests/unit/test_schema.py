"""Payloads against published schemas: nothing is refused that the handler takes."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from nexq.errors import InvalidPayload
from nexq.schema import PayloadSchema
from nexq.signature import Signature


class Colour(Enum):
    RED = "red"
    TWO = 2


class Point(BaseModel):
    x: int
    names: list[str] = []


def many(
    a: int = 0,
    b: float | None = None,
    c: Colour = Colour.RED,
    d: datetime | None = None,
    e: list[int] = [],  # noqa: B006
    f: Point | None = None,
    g: str = "",
    h: UUID | None = None,
    i: timedelta = timedelta(),
    j: Annotated[int, Field(ge=3)] = 3,
    k: tuple[int, str] = (1, ""),
    m: Literal["q", 3] = "q",
    n: dict[str, int] = {},  # noqa: B006
    o: int | str | Point = 0,
    p: bool = False,
) -> None: ...


def none() -> None: ...
def open_ended(**rest: int) -> None: ...
def anything(value: Any, more: set[int] = set()) -> None: ...  # noqa: B006


VALUES: list[Any] = [
    *(1, 2, -5, 2**70, 1.0, 1.5, True, None, "", "1", "x", "red", "true", "2020-01-01T00:00:00Z"),
    *([], [1, "2"], ["x"], [1, "b"], {}, {"x": 1}, {"x": "q"}, {"x": 1, "names": ["a"]}),
]


def takes(check: Any, payload: Any) -> bool:
    try:
        check(payload)
    except InvalidPayload:
        return False
    return True


@pytest.mark.parametrize("fn", [many, none, open_ended, anything])
def test_what_the_handler_takes_is_taken(fn: Any) -> None:
    signature = Signature(fn, "it")
    schema = PayloadSchema("it", signature.json_schema())
    payloads = [*VALUES, *({name: value} for name, value in itertools.product([*signature.names, "new"], VALUES))]
    for payload in payloads:
        if takes(signature.check, payload):
            schema.check(payload)


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ({"a": "x"}, "/a"),
        ({"a": [1]}, "/a"),
        ({"b": "x"}, "/b"),
        ({"c": "green"}, "/c"),
        ({"e": [1, "x"]}, "/e/1"),
        ({"f": {"x": "y"}}, "/f"),
        ({"g": 5}, "/g"),
        ({"j": 2}, "/j"),
        ({"new": 1}, "/new"),
        ("x", ""),
    ],
)
def test_what_no_handler_takes_is_refused_with_its_place(payload: Any, pointer: str) -> None:
    schema = PayloadSchema("it", Signature(many, "it").json_schema())
    with pytest.raises(InvalidPayload) as caught:
        schema.check(payload)
    assert [problem["pointer"] for problem in caught.value.problems] == [pointer]


def needs(to: str, subject: str = "") -> None: ...


@pytest.mark.parametrize("payload", [{}, {"too": 1}, {"to": "x", "a": 1, "b": 2}])
@pytest.mark.parametrize("fn", [needs, none])
def test_what_is_missing_and_what_is_unknown_is_named_as_the_handler_does(fn: Any, payload: Any) -> None:
    signature = Signature(fn, "it")
    told = []
    for check in (signature.check, PayloadSchema("it", signature.json_schema()).check):
        try:
            check(payload)
            told.append([])
        except InvalidPayload as error:
            told.append(sorted((p["pointer"], p["message"]) for p in error.problems))
    assert told[0] == told[1]


@pytest.mark.parametrize("schema", [{}, {"type": 7}, {"$ref": "#/nowhere"}])
def test_a_schema_that_is_none_lets_all_pass(schema: dict[str, Any]) -> None:
    PayloadSchema("it", schema).check({"a": 1})
