"""Payloads as JSON bytes: what may become one, and what may not."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson
from pydantic_core import PydanticSerializationError, to_jsonable_python

from nexq.errors import InvalidPayload, PayloadTooLarge

_LONG_NUMBER = re.compile(rb"\d{19}")

DEFAULT_LIMIT = 256 * 1024


def dump_payload(value: Any, limit: int = DEFAULT_LIMIT) -> bytes:
    """The value as JSON. Raises InvalidPayload for what is not JSON (NaN included), PayloadTooLarge over `limit`."""
    raw = dump_json(value, "payload")
    if len(raw) > limit:
        raise PayloadTooLarge(len(raw), limit)
    return raw


def dump_json(value: Any, what: str) -> bytes:
    """The value as JSON; `what` names it in messages. Raises InvalidPayload."""
    try:
        raw = orjson.dumps(value, default=to_jsonable_python)
    except (orjson.JSONEncodeError, PydanticSerializationError) as error:
        return _dump_big(value, what, error)
    # orjson writes NaN as null, silently: look closer only where a null stands.
    if b"null" in raw:
        refuse_nan(value, what)
    return raw


def refuse_nan(value: Any, what: str) -> None:
    """Raise InvalidPayload for a value with NaN or Infinity in it."""
    with contextlib.suppress(PydanticSerializationError):
        value = to_jsonable_python(value, inf_nan_mode="constants")
    path = _find_nan(value, "")
    if path is not None:
        raise InvalidPayload(
            f"The {what} has NaN or Infinity at {path or 'its top'}; JSON has neither.",
            [{"pointer": path, "message": "NaN and Infinity are not JSON"}],
        )


def pointer(parts: Iterable[object]) -> str:
    """The JSON pointer (RFC 6901) of a place."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def place_in(value: Any, parts: Sequence[int | str], kind: str) -> Iterator[int | str]:
    """Where in a value an error of pydantic lies, of its `loc` and `type`: it also names the members of unions, which
    lie nowhere."""
    for part in parts:
        try:
            value = _inside(value)[part]
        except (LookupError, TypeError):
            continue
        yield part
    if kind == "missing":
        yield parts[-1]


def plain_message(text: str) -> str:
    """What pydantic says, without what only programs want; a list of messages has its own full stop."""
    return text.removeprefix("Value error, ").rstrip(".")


def _inside(value: Any) -> Any:
    """What has places inside; a text has none, though its characters have numbers."""
    return value if isinstance(value, dict | list | tuple) else {}


def loads(raw: bytes) -> Any:
    """JSON with integers of any size."""
    # orjson reads integers beyond 64 bits as floats, silently.
    return json.loads(raw) if _LONG_NUMBER.search(raw) else orjson.loads(raw)


def _dump_big(value: Any, what: str, error: Exception) -> bytes:
    """Integers beyond 64 bits are JSON too; everything else that orjson refuses is not."""
    if "64-bit" in str(error):
        try:
            return json.dumps(value, allow_nan=False, separators=(",", ":"), ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as again:
            error = again
    raise InvalidPayload(f"The {what} is not JSON: {error}.", [{"pointer": "", "message": str(error)}]) from None


def _find_nan(value: Any, path: str) -> str | None:
    if isinstance(value, float):
        return path if math.isnan(value) or math.isinf(value) else None
    if isinstance(value, dict):
        pairs = ((str(k), v) for k, v in value.items())
    elif isinstance(value, (list, tuple)):
        pairs = ((str(i), v) for i, v in enumerate(value))
    else:
        return None
    for key, item in pairs:
        found = _find_nan(item, f"{path}/{key.replace('~', '~0').replace('/', '~1')}")
        if found is not None:
            return found
    return None
