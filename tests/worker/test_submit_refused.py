"""What cannot become a job is refused where it is submitted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nexq import Nexq
from nexq.errors import ConfigError, InvalidJob, InvalidName, InvalidPayload
from tests.worker.conftest import MakeApp
from tests.worker.work import add, with_handler

NAN = float("nan")


@pytest.fixture
def app(make_app: MakeApp) -> Nexq:
    """An app with one handler, on the real Valkey."""
    return with_handler(make_app())


REFUSED: list[tuple[dict[str, Any], type[Exception]]] = [
    ({"delay": -1}, InvalidJob),
    ({"delay": NAN}, InvalidJob),
    ({"delay": float("inf")}, InvalidJob),
    ({"delay": 1e300}, InvalidJob),
    ({"delay": timedelta(seconds=-1)}, InvalidJob),
    ({"delay": timedelta.max}, InvalidJob),
    ({"delay": "60"}, InvalidJob),
    ({"delay": True}, InvalidJob),
    ({"run_at": datetime(2030, 1, 1)}, InvalidJob),
    ({"run_at": "2030-01-01T00:00:00Z"}, InvalidJob),
    ({"run_at": datetime.now(UTC), "delay": 1}, InvalidJob),
    ({"priority": 10}, ConfigError),
    ({"priority": -1}, ConfigError),
    ({"priority": "urgent"}, ConfigError),
    ({"priority": True}, ConfigError),
    ({"priority": 5.0}, ConfigError),
    ({"queue": "a b"}, InvalidName),
    ({"queue": ""}, InvalidName),
    ({"queue": "{x}"}, InvalidName),
    ({"queue": "_"}, InvalidName),
    ({"queue": "x" * 201}, InvalidName),
    ({"queue": 5}, InvalidName),
    ({"id": "a:b"}, InvalidName),
    ({"id": "a b"}, InvalidName),
    ({"id": "\udcff"}, InvalidName),
    ({"id": ""}, InvalidName),
    ({"unique": "a\nb"}, InvalidName),
    ({"unique": ""}, InvalidName),
    ({"max_attempts": 0}, InvalidJob),
    ({"max_attempts": 1.5}, InvalidJob),
    ({"max_deliveries": 10}, InvalidJob),
    ({"timeout": -1}, InvalidJob),
    ({"timeout": NAN}, InvalidJob),
]


@pytest.mark.parametrize(("options", "error"), REFUSED, ids=lambda v: str(v)[:40])
async def test_options_that_make_no_sense_are_refused(app: Nexq, options: dict[str, Any], error: type) -> None:
    with pytest.raises(error):
        await add(app).options(**options).enqueue(1)
    with pytest.raises(error):
        await app.enqueue("add", {"a": 1}, **options)


ARGUMENTS: list[Callable[[Any], Any]] = [
    lambda h: h.bind("x"),
    lambda h: h.bind(),
    lambda h: h.bind(1, 2.0, 3),
    lambda h: h.bind(1, c=2),
    lambda h: h.bind(1, a=1),
    lambda h: h.bind(1, NAN),
    lambda h: h.bind(1, b=float("-inf")),
    lambda h: h.bind(b"\xff"),
    lambda h: h.bind(object()),
]


@pytest.mark.parametrize("call", ARGUMENTS)
async def test_arguments_that_do_not_fit_are_refused_here(app: Nexq, call: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidPayload):
        call(add(app))


async def test_what_is_wrong_is_told_with_its_place(app: Nexq) -> None:
    with pytest.raises(InvalidPayload) as caught:
        await app.enqueue("add", {"a": "x", "c": 1})
    assert {p["pointer"] for p in caught.value.problems} == {"/a", "/c"}


@pytest.mark.parametrize("payload", [b"\xff\xfe", {"a": NAN}, [float("inf")], object(), {1, object()}, "\udcff"])
async def test_payloads_by_name_are_json(app: Nexq, payload: Any) -> None:
    with pytest.raises(InvalidPayload):
        await app.enqueue("unknown", payload)
