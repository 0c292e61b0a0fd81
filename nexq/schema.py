"""Payloads checked by a handler's published JSON Schema, where its code is not at hand.

What the handler itself would take is taken here too: it converts "5" to a number where one is wanted, which JSON
Schema by itself refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jsonschema_rs
from pydantic import TypeAdapter, ValidationError

from nexq.errors import InvalidPayload
from nexq.payload import pointer

#: How a handler reads a plain value where its schema names a type: as pydantic does.
_READERS: dict[str, TypeAdapter[Any]] = {
    "integer": TypeAdapter(int),
    "number": TypeAdapter(float),
    "boolean": TypeAdapter(bool),
    "string": TypeAdapter(str),
}


class PayloadSchema:
    """A handler's payload, as its workers describe it. A schema that is none lets everything pass."""

    def __init__(self, what: str, schema: dict[str, Any]) -> None:
        self._what = what
        self._schema = schema
        self._first = next(iter(schema.get("properties") or ()), None)
        try:
            self._validator = jsonschema_rs.validator_for(schema)
        except (ValueError, jsonschema_rs.ValidationError):
            # Another version's worker may publish what this one cannot read; the run checks it all the same.
            self._validator = jsonschema_rs.validator_for({})

    def check(self, payload: Any, *, exact: bool = False) -> None:
        """Whether a payload fits. Raises InvalidPayload, with a JSON pointer for each misfit.

        exact  to the letter of the schema: what only the handler's own reading would make fit is refused too
        """
        is_single = not isinstance(payload, dict)
        errors = self._validator.iter_errors(self._single(payload, exact) if is_single else payload)
        # The first parameter, which a payload other than an object means, is no place in it.
        skip = 1 if is_single else 0
        problems = [p for error in errors if exact or not self._is_read(error) for p in _problems(error, skip)]
        if problems:
            listed = "; ".join(f"{p['pointer'] or 'payload'}: {p['message']}" for p in problems[:5])
            raise InvalidPayload(f"The payload does not fit {self._what}: {listed}.", problems)

    def _single(self, value: Any, exact: bool) -> dict[str, Any]:
        """The keyword arguments that a payload other than an object means: the first parameter."""
        if self._first is not None:
            return {self._first: value}
        if not self._schema or (value is None and not exact):
            return {}
        raise InvalidPayload(f"{self._what} takes no payload, got {value!r}.")

    def _is_read(self, error: jsonschema_rs.ValidationError) -> bool:
        """Whether the handler would take the value that the schema refuses."""
        kind = error.kind
        if kind.name == "type":
            if isinstance(error.instance, int | float) and self._has_format(error.schema_path):
                return True
            return any(_reads(name, error.instance) for name in getattr(kind, "types", ()))
        if kind.name in ("anyOf", "oneOf"):
            return any(all(map(self._is_read, branch)) for branch in getattr(kind, "context", ()))
        return False

    def _has_format(self, path: Sequence[str | int]) -> bool:
        """Whether it is a text of a format: a handler reads dates and durations from numbers, too."""
        place: Any = self._schema
        for part in path[:-1]:
            place = place[part]
        return "format" in place


def _reads(name: str, value: Any) -> bool:
    if name not in _READERS:
        return False
    try:
        _READERS[name].validate_python(value)
    except ValidationError:
        return False
    return True


def _problems(error: jsonschema_rs.ValidationError, skip: int) -> Iterator[dict[str, str]]:
    """The places that an error means, in the words of the handler's own check; the path's first `skip` are none."""
    path, kind = error.instance_path[skip:], error.kind
    match kind.name:
        case "required":
            yield _problem([*path, getattr(kind, "property", "")], "Field required")
        case "additionalProperties":
            for name in getattr(kind, "unexpected", ()):
                yield _problem([*path, name], "Extra inputs are not permitted")
        case "falseSchema":
            yield _problem(path, "Extra inputs are not permitted")
        case _:
            yield _problem(path, error.message[:300])


def _problem(parts: Sequence[object], message: str) -> dict[str, str]:
    return {"pointer": pointer(parts), "message": message}
