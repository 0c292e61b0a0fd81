"""Signatures: what becomes payload, what is injected, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
import pytest
from pydantic import BaseModel, Field

from nexq import CONTEXT, Context, Depends
from nexq.errors import ConfigError, InvalidPayload, PayloadTooLarge
from nexq.signature import Signature

WISH = Depends(dict)


class Model(BaseModel):
    x: float


@dataclass
class Plain:
    x: float = 0.0


def sign(fn: Any) -> Signature:
    return Signature(fn, f"handler {fn.__name__!r}")


def simple(a: int, b: str = "b") -> datetime:
    return datetime.now(UTC)


def test_positions_and_names_become_an_object() -> None:
    signature = sign(simple)
    assert signature.pack((1,), {}) == b'{"a":1}'
    assert signature.pack((1, "x"), {}) == b'{"a":1,"b":"x"}'
    assert signature.pack((), {"b": "x", "a": 1}) in (b'{"a":1,"b":"x"}', b'{"b":"x","a":1}')
    assert signature.parse(b'{"a":1}') == {"a": 1}
    assert signature.parse(b"5") == {"a": 5}


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((), {}), (("x",), {}), ((1, 2), {}), ((1, "b", 3), {}), ((1,), {"a": 1}), ((1,), {"c": 1}), ((None,), {})],
)
def test_what_does_not_fit(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayload):
        sign(simple).pack(args, kwargs)


def test_context_and_dependencies_vanish() -> None:
    def by_type(ctx: Context, a: int) -> None: ...
    def by_default(a: int, ctx: Any = CONTEXT, d: dict[str, int] = WISH) -> None: ...
    def annotated(a: int, d: Annotated[dict[str, int], WISH]) -> None: ...

    for fn, injects in ((by_type, {"ctx"}), (by_default, {"ctx", "d"}), (annotated, {"d"})):
        signature = sign(fn)
        assert signature.names == ["a"]
        assert set(signature.injects) == injects
        assert signature.pack((1,), {}) == b'{"a":1}'
        with pytest.raises(InvalidPayload):
            signature.pack((1,), {next(iter(injects)): {}})


def test_open_ended_handlers_take_what_comes() -> None:
    def anything(a: int, **others: Any) -> None: ...

    assert sign(anything).parse(b'{"a":1,"z":[2]}') == {"a": 1, "z": [2]}


def test_what_can_only_be_given_by_position_is_refused() -> None:
    def stars(*args: int) -> None: ...
    def slash(a: int, /) -> None: ...
    def unknown_type(a: NotThere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
    def unusable(a: Signature) -> None: ...

    for fn in (stars, slash, unknown_type, unusable):
        with pytest.raises(ConfigError, match=fn.__name__):
            sign(fn)


def test_nothing_is_taken_where_nothing_is_asked_for() -> None:
    def nothing() -> None: ...

    signature = sign(nothing)
    assert signature.pack((), {}) == b"{}"
    assert signature.parse(b"null") == signature.parse(b"{}") == {}
    with pytest.raises(InvalidPayload, match="takes no payload"):
        signature.parse(b"1")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_nan_is_found_wherever_it_is(value: float) -> None:
    def loose(a: Any) -> None: ...
    def typed(a: Model) -> None: ...
    def plain(a: list[Plain]) -> None: ...

    for fn, argument in ((loose, {"x": [value]}), (typed, Model(x=value)), (plain, [Plain(value)])):
        with pytest.raises(InvalidPayload, match="NaN or Infinity"):
            sign(fn).pack((argument,), {})
    # A null that was asked for is no NaN.
    assert sign(loose).pack((None,), {}) == b'{"a":null}'


def test_the_limit_is_of_bytes() -> None:
    def say(a: str) -> None: ...

    assert sign(say).pack(("ä" * 5,), {}, limit=18) == '{"a":"äääää"}'.encode()
    with pytest.raises(PayloadTooLarge):
        sign(say).pack(("ä" * 5,), {}, limit=17)


def test_problems_have_pointers() -> None:
    class Inner(BaseModel):
        n: Annotated[int, Field(gt=0)]

    def nested(items: Any) -> None: ...

    nested.__annotations__["items"] = list[Inner]
    with pytest.raises(InvalidPayload) as caught:
        sign(nested).check({"items": [{"n": 1}, {"n": 0}]})
    assert [p["pointer"] for p in caught.value.problems] == ["/items/1/n"]


def test_results_are_read_as_the_return_type() -> None:
    signature = sign(simple)
    assert signature.read_result(b'"2026-01-02T03:04:05Z"') == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert signature.read_result(b'"no date"') == "no date"
    assert signature.read_result(None) is None


def test_integers_of_any_size() -> None:
    signature = sign(simple)
    assert signature.pack((2**90,), {}) == b'{"a":%d}' % 2**90
    assert signature.parse(b'{"a":%d}' % 2**90) == {"a": 2**90}


def test_a_type_without_a_schema_can_be_published() -> None:
    def odd(then: Callable[[int], None] | None = None) -> None: ...

    assert isinstance(sign(odd).json_schema(), dict)


async def takes_unions(
    argv: list[Annotated[str, Field(max_length=3)]] | str, at: Model | list[Model] | None = None
) -> None: ...


@pytest.mark.parametrize(
    ("payload", "pointers"),
    [
        ({"argv": ["ok", "too long"]}, {"/argv/1", "/argv"}),
        ({"argv": 5}, {"/argv"}),
        ({"argv": "x", "at": [{"x": 1}, {"x": "y"}]}, {"/at/1/x", "/at"}),
        ({"argv": "x", "a/b~c": 1}, {"/a~1b~0c"}),
        ({}, {"/argv"}),
    ],
)
def test_a_misfit_is_told_by_its_place_in_the_payload(payload: dict[str, Any], pointers: set[str]) -> None:
    signature = sign(takes_unions)
    for check in (lambda: signature.check(payload), lambda: signature.parse(orjson.dumps(payload))):
        with pytest.raises(InvalidPayload) as caught:
            check()
        assert {p["pointer"] for p in caught.value.problems} == pointers
