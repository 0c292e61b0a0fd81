"""Which modules there are: the bundled ones, and those of installed packages."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

from nexq.app import Module
from nexq.errors import ConfigError

#: Where packages say which modules they have: `resize = "acme_images.jobs:module"`.
GROUP = "nexq.modules"
#: Name -> where it is.
BUNDLED = {
    "shell": "nexq.modules.shell",
    "http": "nexq.modules.http",
    "email": "nexq.modules.email",
    "ethereum": "nexq.modules.ethereum",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A module that there is, or why it cannot be used."""

    name: str
    #: "bundled", or the package and version it came with.
    source: str
    module: Module | None
    error: str = ""


def discover() -> Iterator[Found]:
    """Every module, bundled ones first. One that cannot be loaded is told with its error, and hinders no other."""
    names: set[str] = set()
    for name, path in BUNDLED.items():
        names.add(name)
        yield Found(name, "bundled", module_in(importlib.import_module(path)))
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        found = _load(point)
        if found.module is not None and found.name in names:
            found = Found(found.name, found.source, None, f"another module is named {found.name!r} already")
        names.add(found.name)
        yield found


def find(name: str) -> Found | None:
    """The module of that name, bundled or from a package; the others are not loaded."""
    if name in BUNDLED:
        return Found(name, "bundled", module_in(importlib.import_module(BUNDLED[name])))
    for point in entry_points(group=GROUP):
        if point.name == name:
            return _load(point)
    return None


def module_in(thing: Any) -> Module:
    """The Module that a Python module has, or the Module itself. Raises ConfigError."""
    if isinstance(thing, Module):
        return thing
    if not isinstance(thing, ModuleType):
        raise ConfigError(f"Expected a nexq Module, got {thing!r}.")
    found = {id(value): value for value in vars(thing).values() if isinstance(value, Module)}
    if len(found) != 1:
        has = f"has {len(found)}" if found else "has none"
        raise ConfigError(
            f'Expected {thing.__name__} to have one nexq Module, such as `module = Module("images")`; it {has}.'
            + (f" Say which: {thing.__name__}:NAME." if found else "")
        )
    return next(iter(found.values()))


def _load(point: EntryPoint) -> Found:
    package = point.dist
    source = f"{package.name} {package.version}" if package is not None else point.value
    try:
        module = module_in(point.load())
    except Exception as error:
        # Somebody else's code: whatever it raises is told, and the rest goes on.
        return Found(point.name, source, None, f"{point.value}: {type(error).__name__}: {error}")
    return Found(module.name, source, module)
