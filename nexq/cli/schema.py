"""A payload's JSON Schema for people: its fields in one line, and values for them from what was typed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from nexq.cli.payload import read_json
from nexq.errors import InvalidPayload

Schema = Mapping[str, Any]


def fields(schema: Schema) -> list[str]:
    """The fields of a payload: `url*=string`, `timeout=number`; a star for those that must be there."""
    needed = schema.get("required", ())
    return [
        f"{name}{'*' if name in needed else ''}={_kind(prop, schema)}"
        for name, prop in schema.get("properties", {}).items()
    ]


def build(schema: Schema | None, assignments: Sequence[str], base: Any) -> dict[str, Any]:
    """A payload from `key=value` texts, over what is there already.

    A value becomes what its field's schema wants; a field that is a list takes one value after the other; `a.b=c` sets
    `b` of the object `a`; `key:=JSON` is taken as JSON. Without a schema a value is JSON, or else a string.
    Raises InvalidPayload.
    """
    if not isinstance(base, dict):
        raise InvalidPayload("--set goes with a payload that is an object, or with none.")
    payload: dict[str, Any] = dict(base)
    fresh: set[tuple[str, ...]] = set()
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise InvalidPayload(f"Expected --set key=value, got {text!r}.")
        as_json = key.endswith(":")
        path = tuple(_path(key.removesuffix(":"), schema))
        prop = _field(schema, path, key)
        holder = payload
        for part in path[:-1]:
            inner = holder.setdefault(part, {})
            if not isinstance(inner, dict):
                raise InvalidPayload(f"--set {key}: {part!r} is not an object.")
            holder = inner
        last = path[-1]
        if as_json:
            holder[last] = read_json(value)
        elif _wants(prop, schema, "array") and not value.lstrip().startswith("["):
            item = _items(prop, schema)
            read = _read(value, item, schema, key)
            if path in fresh:
                there = holder[last]
                holder[last] = [*there, read] if isinstance(there, list) else [there, read]
            else:
                # A field that is one or many stays one as long as one is given.
                holder[last] = read if _wants(prop, schema, *_SCALARS) else [read]
            fresh.add(path)
        else:
            holder[last] = _read(value, prop, schema, key)
    return payload


_SCALARS = ("string", "integer", "number", "boolean")


def _path(key: str, schema: Schema | None) -> list[str]:
    """`headers.X-Id` is a path unless a field has that very name."""
    if schema is not None and key in schema.get("properties", {}):
        return [key]
    parts = key.split(".", 1)
    if not all(parts):
        raise InvalidPayload(f"--set {key}: there is an empty name.")
    return parts


def _field(schema: Schema | None, path: tuple[str, ...], key: str) -> Schema:
    """The schema of a field. Raises InvalidPayload for one that the payload does not have."""
    if schema is None:
        return {}
    properties = schema.get("properties", {})
    name = path[0]
    if name not in properties:
        if schema.get("additionalProperties", True) is not False:
            return {}
        near = difflib.get_close_matches(name, properties, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InvalidPayload(f"There is no field {name!r}.{hint} Fields: {', '.join(properties) or 'none'}.")
    prop: Schema = properties[name]
    if len(path) == 1:
        return prop
    for variant in _variants(prop, schema):
        if variant.get("type") == "object":
            inner: Schema = variant.get("properties", {}).get(path[1], variant.get("additionalProperties", {}))
            return inner if isinstance(inner, Mapping) else {}
    raise InvalidPayload(f"--set {key}: the field {name!r} is not an object.")


def _variants(prop: Schema, schema: Schema | None) -> list[Schema]:
    """The alternatives of a field, references followed."""
    if "$ref" in prop and schema is not None:
        name = str(prop["$ref"]).removeprefix("#/$defs/")
        return _variants(schema.get("$defs", {}).get(name, {}), schema)
    found: list[Schema] = []
    for variant in prop.get("anyOf", prop.get("oneOf", ())):
        found += _variants(variant, schema)
    return found or [prop]


def _wants(prop: Schema, schema: Schema | None, *types: str) -> bool:
    return any(variant.get("type") in types for variant in _variants(prop, schema))


def _items(prop: Schema, schema: Schema | None) -> Schema:
    for variant in _variants(prop, schema):
        if variant.get("type") == "array":
            items: Schema = variant.get("items", {})
            return items if isinstance(items, Mapping) else {}
    return {}


def _read(text: str, prop: Schema, schema: Schema | None, key: str) -> Any:
    """A value as the field wants it: the first of number, truth value, null, structure, string that fits."""
    types = {variant.get("type") for variant in _variants(prop, schema)}
    if types & {"integer", "number", "boolean", "object", "array", "null", None}:
        try:
            value = read_json(text)
        except InvalidPayload:
            value = text
            if types == {"object"} or text[:1] in ("{", "["):
                raise
        if None in types or _type(value) in types or (_type(value) == "integer" and "number" in types):
            return value
    if "string" in types:
        return text
    raise InvalidPayload(f"--set {key}: expected {_kind(prop, schema)}, got {text!r}.")


def _type(value: Any) -> str:
    names: dict[type, str] = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array"}
    return "null" if value is None else names.get(type(value), "object")


def _kind(prop: Schema, schema: Schema | None) -> str:
    """The kinds of value that a field takes: `string`, `number`, `[string]`, `string|[string]`, `a|b` of an enum."""
    kinds: list[str] = []
    for variant in _variants(prop, schema):
        if "enum" in variant:
            kinds += map(str, variant["enum"])
        elif "const" in variant:
            kinds.append(str(variant["const"]))
        elif variant.get("type") == "array":
            kinds.append(f"[{_kind(variant.get('items', {}), schema)}]")
        elif variant.get("type") != "null":
            kinds.append(str(variant.get("type", "any")))
    return "|".join(dict.fromkeys(kinds)) or "any"
