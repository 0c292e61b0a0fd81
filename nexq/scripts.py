"""The Lua scripts: found, their headers read, their includes inlined, ready for a backend.

A script's header is its signature (see lua/README.md). The loader turns the slots named in it into Lua locals, and
callers pass names: a wrong or missing name fails here, before any server sees it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nexq.errors import NexqError

_SLOT = re.compile(r"^--   (\w+)\s+(\w+)")
_INCLUDE = re.compile(r"^-- @include (\S+)$")
KEY_KINDS = frozenset({"hash", "zset", "list", "string", "prefix"})
ARG_KINDS = frozenset({"time", "str", "int", "num", "list"})


class ScriptError(NexqError):
    """A Lua script's header or include is wrong, or a caller's names do not fit it."""


@dataclass(frozen=True, slots=True)
class Script:
    """One script. `body` has no shebang (for engines without one); `text` is what a real server gets."""

    name: str
    keys: tuple[str, ...]
    args: tuple[str, ...]
    body: str
    text: str
    sha: str
    read_only: bool

    def bind_keys(self, named: Mapping[str, str]) -> tuple[str, ...]:
        """The KEYS in order. Raises ScriptError naming a key the mapping lacks."""
        missing = [k for k in self.keys if k not in named]
        if missing:
            raise ScriptError(f"{self.name}: no key given for {', '.join(missing)}")
        return tuple(named[k] for k in self.keys)


def find_lua() -> Path:
    """The folder of the scripts: inside an installed package, else beside a checkout's package."""
    here = Path(__file__).resolve().parent
    for folder in (here / "_lua", here.parent / "lua"):
        if folder.is_dir():
            return folder
    raise ScriptError(f"The Lua scripts are missing: neither {here / '_lua'} nor {here.parent / 'lua'} is a folder.")


@cache
def load(name: str, folder: Path | None = None) -> Script:
    """The script of that name, read once. Raises ScriptError with file and line."""
    root = folder or find_lua()
    path = root / f"{name}.lua"
    lines = _read(path, f"script {name!r}")
    keys, args, flags, includes = _read_header(path, lines)
    chunks = _inline(root, path, includes, (path.stem,))
    body = "\n".join([*_slots(keys, args), *chunks, *_strip(lines)]) + "\n"
    text = f"#!lua{' flags=' + ','.join(flags) if flags else ''}\n{body}"
    return Script(
        name=name,
        keys=tuple(k for k, _ in keys),
        args=tuple(a for a, _ in args),
        body=body,
        text=text,
        sha=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(),
        read_only="no-writes" in flags,
    )


def names(folder: Path | None = None) -> list[str]:
    """The names of all scripts, sorted."""
    return sorted(p.stem for p in (folder or find_lua()).glob("*.lua"))


def _read(path: Path, what: str) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise ScriptError(f"{what} not found: {path}") from None


_Slots = list[tuple[str, str]]


def _read_header(path: Path, lines: Sequence[str]) -> tuple[_Slots, _Slots, list[str], list[tuple[int, str]]]:
    """(keys, args, flags, includes with their line) of the comment block at the head."""
    sections: dict[str, _Slots] = {"KEYS": [], "ARGV": []}
    flags: list[str] = []
    includes: list[tuple[int, str]] = []
    section = ""
    for number, line in enumerate(lines, 1):
        if not line.startswith("--"):
            break
        word = line[3:].split(" ", 1)[0]
        if word in sections:
            section = word
        elif word == "FLAGS":
            flags = line.split()[2:]
            section = ""
        elif found := _INCLUDE.match(line):
            includes.append((number, found[1]))
        elif word and not line.startswith("--  "):
            section = ""
        elif section and (found := _SLOT.match(line)):
            kinds = KEY_KINDS if section == "KEYS" else ARG_KINDS
            if found[2] not in kinds:
                raise ScriptError(f"{path}:{number}: {found[1]} is {found[2]!r}, expected {', '.join(sorted(kinds))}")
            if section == "ARGV" and any(kind == "list" for _, kind in sections["ARGV"]):
                raise ScriptError(f"{path}:{number}: a list must be the last argument")
            sections[section].append((found[1], found[2]))
    return sections["KEYS"], sections["ARGV"], flags, includes


def _slots(keys: _Slots, args: _Slots) -> list[str]:
    out = [f"local {name} = KEYS[{i}]" for i, (name, _) in enumerate(keys, 1)]
    for i, (name, kind) in enumerate(args, 1):
        if kind == "list":
            out.append(f"local {name} = {i}")
        elif kind in ("int", "num"):
            out.append(f"local {name} = tonumber(ARGV[{i}])")
        else:
            out.append(f"local {name} = ARGV[{i}]")
    return out


def _inline(root: Path, path: Path, includes: list[tuple[int, str]], seen: tuple[str, ...]) -> list[str]:
    """The text of the includes, each once, those it includes itself first."""
    done: dict[str, list[str]] = {}

    def visit(source: Path, wanted: list[tuple[int, str]], trail: tuple[str, ...]) -> None:
        for number, name in wanted:
            if name in trail:
                raise ScriptError(f"{source}:{number}: circular include: {' -> '.join((*trail, name))}")
            if name in done:
                continue
            target = root / f"{name}.lua"
            if not target.is_file():
                raise ScriptError(f"{source}:{number}: include not found: {name} ({target})")
            lines = target.read_text(encoding="utf-8").splitlines()
            nested = [(n, m[1]) for n, line in enumerate(lines, 1) if (m := _INCLUDE.match(line))]
            visit(target, nested, (*trail, name))
            done[name] = _strip(lines)

    visit(path, includes, seen)
    return [line for chunk in done.values() for line in chunk]


def _strip(lines: Sequence[str]) -> list[str]:
    """The lines without comment lines and blank ones: what is sent, and hashed, is the code."""
    return [line for line in lines if line.strip() and not line.lstrip().startswith("--")]
