"""From an import string, `module:attribute`, to the app it names."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

import typer

from nexq.app import Nexq
from nexq.errors import ConfigError, NexqError


def load_app(ref: str) -> Nexq:
    """The app that an import string names. The working directory is on the path.

    Raises ConfigError. An error inside the user's module is shown as it is and ends the program.
    """
    module_name, colon, attribute = ref.partition(":")
    if not module_name or (colon and not attribute):
        raise ConfigError(f'Import string "{ref}" must be in format "<module>:<attribute>".')
    if module_name.endswith(".py") or "/" in module_name:
        name = module_name.removesuffix(".py").strip("./").replace("/", ".")
        raise ConfigError(
            f'Import string "{ref}" must be in format "<module>:<attribute>", not a file: try "{name}:app".'
        )
    module = import_module(module_name)
    if not colon:
        return _only_app(module, ref)
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigError(f'Attribute "{attribute}" not found in module "{module_name}".{_hint(module)}') from None
    if not isinstance(found, Nexq):
        raise ConfigError(f'"{ref}" is {_kind(found)}, expected a Nexq app.{_hint(module)}')
    return found


def import_module(name: str) -> ModuleType:
    """A Python module, from the working directory or an installed package. Raises ConfigError."""
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # A parent package that is missing is the same mistake; another module is the user's own.
        if error.name is None or not (name + ".").startswith(error.name + "."):
            _show(error)
        raise ConfigError(f'Could not import module "{name}". Looked in {here} and the installed packages.') from None
    except (NexqError, SystemExit, KeyboardInterrupt):
        raise
    except ValueError as error:
        if not name.isidentifier() and "module name" in str(error):
            raise ConfigError(f'Could not import module "{name}": {error}.') from None
        _show(error)
    except BaseException as error:
        _show(error)
    raise AssertionError("_show does not return")


def _show(error: BaseException) -> None:
    """Print the user's own traceback, without the frames that led to their module, and end."""
    trace = error.__traceback__
    while trace is not None and _is_ours(trace):
        trace = trace.tb_next
    typer.echo("".join(traceback.format_exception(type(error), error, trace)), err=True, nl=False)
    raise SystemExit(1)


def _is_ours(trace: TracebackType) -> bool:
    file = trace.tb_frame.f_code.co_filename
    return file == __file__ or "importlib" in file


def _apps(module: ModuleType) -> list[str]:
    return sorted(name for name, value in vars(module).items() if isinstance(value, Nexq))


def _only_app(module: ModuleType, ref: str) -> Nexq:
    names = _apps(module)
    distinct = {id(getattr(module, name)) for name in names}
    if len(distinct) == 1:
        typer.echo(f"Using the app {ref}:{names[0]}.", err=True)
        app: Nexq = getattr(module, names[0])
        return app
    found = f" The module has {' and '.join(names)}." if names else " The module has no Nexq app."
    raise ConfigError(f'Import string "{ref}" must be in format "<module>:<attribute>".{found}')


def _hint(module: ModuleType) -> str:
    names = _apps(module)
    return f" Did you mean {' or '.join(f'{module.__name__}:{n}' for n in names[:3])}?" if names else ""


def _kind(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__qualname__}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}()"
    kind = type(value)
    article = "an" if kind.__name__[0].lower() in "aeiou" else "a"
    return f"{article} {kind.__module__ + '.' if kind.__module__ != 'builtins' else ''}{kind.__qualname__}"
