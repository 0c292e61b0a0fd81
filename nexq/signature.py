"""A handler's signature, read once: what its payload must look like, and what is injected."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any, NotRequired, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import PydanticSerializationError, to_jsonable_python
from typing_extensions import TypedDict

from nexq.depends import CONTEXT, Context, Dependency
from nexq.errors import ConfigError, InvalidPayload, PayloadTooLarge
from nexq.payload import DEFAULT_LIMIT, loads, place_in, plain_message, pointer, refuse_nan


class Signature:
    """What a handler takes.

    names     its payload parameters, in order
    injects   parameter -> Dependency, or Context for the context; these vanish from the payload
    """

    def __init__(self, fn: Callable[..., Any], what: str) -> None:
        self.what = what
        self.names: list[str] = []
        self.injects: dict[str, Dependency | type[Context]] = {}
        self._defaults: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        open_ended = False
        for parameter, annotation in _parameters(fn, what):
            if (wish := _wish(parameter, annotation)) is not None:
                self.injects[parameter.name] = wish
            elif parameter.kind is parameter.VAR_KEYWORD:
                open_ended = True
            elif parameter.kind in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
                raise ConfigError(
                    f"{what}: parameter {parameter.name!r} can only be given by position, "
                    "but an object payload becomes keyword arguments. Make it an ordinary parameter."
                )
            else:
                self.names.append(parameter.name)
                kind = Any if annotation is parameter.empty else annotation
                if parameter.default is parameter.empty:
                    fields[parameter.name] = kind
                else:
                    fields[parameter.name] = NotRequired[kind]
                    self._defaults[parameter.name] = parameter.default
        self._adapter = _adapter(what, fields, open_ended)
        self._fn = fn
        self._returns: TypeAdapter[Any] | None = None
        validator = self._adapter.validator
        self._validate_json = validator.validate_json
        self._validate_python = validator.validate_python

    def pack(self, args: tuple[Any, ...], kwargs: dict[str, Any], limit: int = DEFAULT_LIMIT) -> bytes:
        """The arguments as a JSON payload, checked. Raises InvalidPayload, PayloadTooLarge."""
        if args:
            kwargs = self._by_name(args, kwargs)
        try:
            value = self._validate_python(kwargs)
            raw = self._adapter.serializer.to_json(value)
        except ValidationError as error:
            raise self._invalid(error, kwargs) from None
        except PydanticSerializationError as error:
            raise InvalidPayload(f"{self.what}: the payload is not JSON: {error}") from None
        if b"null" in raw:
            # The serializer turns NaN into null.
            refuse_nan(self._adapter.dump_python(value), "payload")
        if len(raw) > limit:
            raise PayloadTooLarge(len(raw), limit)
        return raw

    def check(self, payload: Any) -> None:
        """Whether a JSON-like payload fits. Raises InvalidPayload."""
        named = payload if isinstance(payload, dict) else self._single(payload)
        try:
            self._validate_python(named)
        except ValidationError as error:
            raise self._invalid(error, payload) from None

    def parse(self, raw: bytes) -> dict[str, Any]:
        """The keyword arguments of a stored payload. Raises InvalidPayload."""
        try:
            if raw[:1] == b"{":
                return cast("dict[str, Any]", self._validate_json(raw))
            return cast("dict[str, Any]", self._validate_python(self._single(loads(raw))))
        except ValidationError as error:
            raise self._invalid(error, _read(raw)) from None

    def json_schema(self) -> dict[str, Any]:
        """The payload's JSON Schema, with the defaults that are JSON; empty where a parameter's type has none."""
        try:
            schema = self._adapter.json_schema()
        except PydanticInvalidForJsonSchema:
            return {}
        for name, default in self._defaults.items():
            with suppress(PydanticSerializationError, KeyError):
                schema["properties"][name]["default"] = to_jsonable_python(default)
        return schema

    def read_result(self, raw: bytes | None) -> Any:
        """A stored result as the annotated return type, plain data where that is not possible."""
        if self._returns is None:
            self._returns = _return_adapter(self._fn)
        if raw is None:
            return None
        try:
            return self._returns.validate_json(raw)
        except ValidationError:
            return loads(raw)

    def _single(self, value: Any) -> dict[str, Any]:
        if value is None and not self.names:
            return {}
        if not self.names:
            raise InvalidPayload(f"{self.what} takes no payload, got {value!r}.")
        return {self.names[0]: value}

    def _by_name(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if len(args) > len(self.names):
            raise InvalidPayload(f"{self.what} takes {len(self.names)} positional arguments, got {len(args)}.")
        named = dict(zip(self.names, args, strict=False))
        if twice := named.keys() & kwargs.keys():
            raise InvalidPayload(f"{self.what} got {', '.join(sorted(twice))} twice.")
        return {**named, **kwargs}

    def _invalid(self, error: ValidationError, payload: Any) -> InvalidPayload:
        problems = [
            {"pointer": pointer(place_in(payload, e["loc"], e["type"])), "message": plain_message(e["msg"])}
            for e in error.errors(include_url=False, include_input=False, include_context=False)
        ]
        listed = "; ".join(f"{p['pointer'] or 'payload'}: {p['message']}" for p in problems[:5])
        return InvalidPayload(f"The payload does not fit {self.what}: {listed}.", problems)


def _read(raw: bytes) -> Any:
    """A stored payload as it stands; None where it is not JSON."""
    try:
        return loads(raw)
    except ValueError:
        return None


def _parameters(fn: Callable[..., Any], what: str) -> list[tuple[inspect.Parameter, Any]]:
    try:
        hints = get_type_hints(fn, include_extras=True)
    except (NameError, TypeError) as error:
        raise ConfigError(
            f"{what}: its annotations cannot be read ({error}). Names used in them must exist at run time, "
            "not only under TYPE_CHECKING."
        ) from None
    parameters = inspect.signature(fn).parameters.values()
    return [(p, hints.get(p.name, p.empty)) for p in parameters]


def _wish(parameter: inspect.Parameter, annotation: Any) -> Dependency | type[Context] | None:
    if parameter.default is CONTEXT or annotation is Context:
        return Context
    if isinstance(parameter.default, Dependency):
        return parameter.default
    if get_origin(annotation) is Annotated:
        for extra in get_args(annotation)[1:]:
            if isinstance(extra, Dependency):
                return extra
    return None


def _adapter(what: str, fields: dict[str, Any], open_ended: bool) -> TypeAdapter[dict[str, Any]]:
    shape = TypedDict("Payload", fields)  # type: ignore[misc]
    config = ConfigDict(extra="allow" if open_ended else "forbid", populate_by_name=True)
    shape.__pydantic_config__ = config  # type: ignore[attr-defined]
    try:
        return TypeAdapter(cast("type[dict[str, Any]]", shape))
    except PydanticUserError as error:
        raise ConfigError(
            f"{what}: a parameter's type cannot be made from JSON ({str(error).splitlines()[0]}). "
            "Use types that pydantic knows, or Depends for what is not payload."
        ) from None


def _return_adapter(fn: Callable[..., Any]) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(get_type_hints(fn).get("return", Any))
    except (NameError, TypeError, PydanticUserError):
        return TypeAdapter(Any)
