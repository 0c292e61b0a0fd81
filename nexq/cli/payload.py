"""From what a person typed, or a line of a file, to a payload."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from nexq.errors import InvalidJob, InvalidPayload

_NOT_JSON = frozenset({"NaN", "Infinity", "-Infinity"})


def parse_payload(text: str) -> Any:
    """JSON, or a plain string: what is not JSON is a string, unless it begins like JSON. Raises InvalidPayload."""
    if text.strip() in _NOT_JSON:
        raise InvalidPayload(f"{text.strip()} is not JSON. If the text is meant, quote it: '\"{text.strip()}\"'.")
    try:
        return read_json(text)
    except InvalidPayload:
        if text.lstrip()[:1] in ("{", "[", '"'):
            raise
        return text


def read_json(text: str) -> Any:
    """Strict JSON. Raises InvalidPayload with the place where it is broken."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        around = text[max(0, error.pos - 20) : error.pos + 20].replace("\n", " ")
        raise InvalidPayload(
            f"The payload is not JSON: {error.msg} at line {error.lineno}, column {error.colno}, near {around!r}. "
            'On a shell, put single quotes around it: \'{"key": "value"}\'.'
        ) from None
    except RecursionError:
        raise InvalidPayload("The payload is not JSON that can be read: it is nested too deeply.") from None
    except ValueError as error:
        raise InvalidPayload(f"The payload is not JSON: {error}.") from None


def parse_at(text: str) -> datetime:
    """A point in time with its time zone, ISO 8601. Raises InvalidJob."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise InvalidJob(
            f"Expected a time in ISO 8601, such as 2030-01-31T08:00:00Z or 2030-01-31T09:00+01:00; got {text!r}."
        ) from None
    if moment.tzinfo is None:
        raise InvalidJob(f"The time {text!r} has no time zone: append Z for UTC, or an offset such as +02:00.")
    return moment


def _refuse(constant: str) -> Any:
    raise ValueError(f"it contains {constant}, which JSON does not have")
