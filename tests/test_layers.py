"""The house's floors: a module imports only from floors below it, and nothing imports in a circle.

Imports are read with ast, those under TYPE_CHECKING and inside functions too: a cycle that hides there is one.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent / "nexq"
MOST_LINES = 400

#: Bottom to top. A room is a module or a package right under nexq; "" is nexq/__init__.py, the public names.
#: Rooms of one floor do not import each other; modules of one package do, but not in a circle.
FLOORS: list[set[str]] = [
    {"errors", "states", "backoff", "tasks"},
    {"outbound", "clock", "config", "ids", "journal", "keys", "payload", "scripts"},
    {"retry", "outcome", "depends", "job", "engine"},
    {"otel", "schema", "signature", "backends"},
    {"registry", "store"},
    {"webhooks"},
    {"worker", "doctor"},
    {"app", "metrics"},
    {""},
    {"web", "demo", "bridges", "modules"},
    {"cli"},
    {"__main__"},
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def name_of(path: Path) -> str:
    """nexq/app/job.py -> nexq.app.job; nexq/app/__init__.py -> nexq.app."""
    parts = ["nexq", *path.relative_to(HOUSE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(HOUSE.rglob("*.py"))}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def imports_of(module: str) -> dict[str, int]:
    """The nexq modules that a module imports, anywhere in it -> line."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: imports are written out in full, not relative"
            # `from nexq.app import job` means the module, `from nexq.app import Nexq` the package.
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in MODULES else str(node.module) for name in whole]
        else:
            continue
        found |= {name: node.lineno for name in names if name.split(".")[0] == "nexq"}
    return found


IMPORTS = {module: imports_of(module) for module in MODULES}


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(module) for module in MODULES}
    assert rooms - FLOOR_OF.keys() == set(), "new rooms: say in FLOORS on which floor they stand"
    assert FLOOR_OF.keys() - rooms == set(), "rooms that are no more"


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_downwards(module: str) -> None:
    room = room_of(module)
    floor = FLOOR_OF[room]
    wrong = [
        f"{MODULES[module].relative_to(HOUSE.parent)}:{line} (floor {floor}) imports {name}"
        f" (floor {FLOOR_OF[room_of(name)]})"
        for name, line in IMPORTS[module].items()
        if room_of(name) != room and FLOOR_OF[room_of(name)] >= floor
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_imports_in_a_circle() -> None:
    try:
        TopologicalSorter({module: set(names) for module, names in IMPORTS.items()}).prepare()
    except CycleError as error:
        pytest.fail(" <- ".join(error.args[1]))


def test_what_is_imported_is_there() -> None:
    missing = {name for names in IMPORTS.values() for name in names} - MODULES.keys()
    assert not missing


@pytest.mark.parametrize("module", MODULES)
def test_modules_are_short_and_say_what_they_are(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    assert text.count("\n") <= MOST_LINES, f"over {MOST_LINES} lines: split it"
    assert ast.get_docstring(ast.parse(text)), "a module begins with what it is for"
