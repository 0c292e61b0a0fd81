"""Which modules a command works with."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Annotated

import typer

from nexq.app import Module, Nexq
from nexq.cli.appref import import_module
from nexq.cli.common import names
from nexq.config import setting
from nexq.errors import ConfigError

log = logging.getLogger("nexq.modules")

Modules = Annotated[
    list[str] | None,
    typer.Option(
        "--module",
        "-m",
        help="A module to take in: its name, or pkg.mod; may be repeated. Without an app the bundled ones are in.",
        metavar="NAME",
        show_default=False,
    ),
]


def load_modules(app: Nexq, refs: Iterable[str] | None, *, all_found: bool) -> list[Module]:
    """Take modules into an app: those asked for, by flag or NEXQ_MODULES, and, where wanted, all that are found.

    Raises ConfigError for one that was asked for and cannot be used, or whose settings are wrong.
    """
    from nexq.modules import discover

    asked = [load_module(ref) for ref in refs or names(setting("modules", None, ""))]
    loaded: dict[str, Module] = {}
    for module in asked:
        if loaded.get(module.name, module) is not module:
            raise ConfigError(f"Two modules are named {module.name!r}; only one of them can be in.")
        loaded[module.name] = module
    app.include(*loaded.values())
    for found in discover() if all_found else ():
        if found.module is None:
            log.warning("module %s (%s) is left out: %s", found.name, found.source, found.error)
        elif found.name not in loaded:
            try:
                app.include(found.module)
            except ConfigError as error:
                log.warning("module %s (%s) is left out: %s", found.name, found.source, error)
                continue
            loaded[found.name] = found.module
    for module in loaded.values():
        if status := module.status():
            log.info("module %s: %s", module.name, status)
    return list(loaded.values())


def load_module(ref: str) -> Module:
    """The module of a name, or of an import string `pkg.mod` or `pkg.mod:attribute`. Raises ConfigError."""
    from nexq.modules import BUNDLED, find, module_in

    found = find(ref)
    if found is not None:
        if found.module is None:
            raise ConfigError(f"Module {ref!r} cannot be used: {found.error}")
        return found.module
    path, _, attribute = ref.partition(":")
    if not all(part.isidentifier() for part in path.split(".")):
        raise ConfigError(f"Expected a module's name ({', '.join(BUNDLED)}) or pkg.mod, got {ref!r}.")
    try:
        thing = import_module(path)
    except ConfigError as error:
        raise ConfigError(f"No module is named {ref!r} (`nexq modules ls` shows those there are). {error}") from None
    if not attribute:
        return module_in(thing)
    if not hasattr(thing, attribute):
        raise ConfigError(f'Attribute "{attribute}" not found in module "{path}".')
    return module_in(getattr(thing, attribute))


def load_for(app: Nexq, type: str) -> None:
    """Take in the module that a type's name points to, if there is one: to check its payload and to know its fields."""
    name, colon, _ = type.partition(":")
    if not colon or app.registry.get(type) is not None:
        return
    from nexq.modules import find

    found = find(name)
    if found is not None and found.module is not None and any(s.name == type for s in found.module.specs):
        app.include(found.module)
