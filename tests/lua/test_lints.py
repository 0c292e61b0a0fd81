"""Rules that every script of the project keeps, read from its text."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

import pytest

from nexq.keys import QUEUE_KEYS, SYSTEM_KEYS
from nexq.scripts import find_lua, load, names
from nexq.states import SINGLE_SET

ROOT = find_lua()
SCRIPTS = names()
FILES = sorted(p.relative_to(ROOT).as_posix() for p in ROOT.rglob("*.lua"))
KEY_KINDS = {name.rstrip(":"): kind for name, kind in {**QUEUE_KEYS, **SYSTEM_KEYS}.items()}
#: Keys whose full name the caller chooses: a state's set, or one worker's memo.
CHOSEN = {"set": {"zset"}, "walked": {"zset", "hash"}, "memo": {"string"}}


def _code(file: str) -> list[tuple[int, str]]:
    """(line number, line) without comments."""
    lines = enumerate((ROOT / file).read_text().splitlines(), 1)
    return [(n, line.split("--", 1)[0]) for n, line in lines if line.strip() and not line.lstrip().startswith("--")]


def _find(file: str, pattern: str) -> list[str]:
    return [f"{file}:{n}: {line.strip()}" for n, line in _code(file) if re.search(pattern, line)]


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_header_is_complete_and_names_the_script(name: str) -> None:
    text = (ROOT / f"{name}.lua").read_text()
    head = text[: re.search(r"^(?!--)", text, re.M).start()]  # type: ignore[union-attr]
    assert head.startswith(f"-- {name}: ")
    for section in ("KEYS", "RETURNS", "COST"):
        assert re.search(rf"^-- {section}\b", head, re.M), f"{name}: no {section}"
    assert "-- ARGV" in head or not load(name).args
    if "ARGV[" in text or "#ARGV" in text:
        assert "-- ARGV" in head


@pytest.mark.parametrize("name", SCRIPTS)
def test_keys_are_those_of_the_key_table_with_its_kinds(name: str) -> None:
    header = (ROOT / f"{name}.lua").read_text().split("-- ARGV")[0]
    for key in load(name).keys:
        kind = re.search(rf"^--   {key}\s+(\w+)", header, re.M)[1]  # type: ignore[index]
        allowed = CHOSEN.get(key) or {KEY_KINDS.get(key, "unknown to nexq/keys.py")}
        assert kind in allowed, f"{name}: {key} is {kind}"


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(
    "pattern",
    [r"\bpairs\s*\(", r"\bcjson\b", r"\bKEYS\b", r"(?<![.\w])error\s*\(", r"\bos\.", r"\bmath\.random", r"\bnext\s*\("],
)
def test_no_script_uses_what_is_forbidden(file: str, pattern: str) -> None:
    found = [hit for hit in _find(file, pattern) if not re.search(r"\bipairs\s*\(", hit) or pattern != r"\bpairs\s*\("]
    assert not found


@pytest.mark.parametrize("file", FILES)
def test_every_range_by_score_has_a_limit(file: str) -> None:
    assert not [hit for hit in _find(file, r"BYSCORE|BYLEX") if "LIMIT" not in hit]
    assert not _find(file, r"'Z(REV)?RANGEBY|ZREMRANGEBYSCORE")


@pytest.mark.parametrize("file", FILES)
def test_nothing_reads_a_whole_collection(file: str) -> None:
    assert not _find(file, r"ZRANGE', [^)]*, 0, -1|SMEMBERS|LRANGE', [^)]*, 0, -1|'KEYS'|'SCAN'")
    # The queue's own record and the table of handlers are small by nature; HKEYS serves engines without HSCAN.
    assert not _find(file, r"HGETALL', (?!queue\)|handlers\))|HVALS")


def test_each_entry_into_a_state_is_written_in_exactly_one_include() -> None:
    """A ZADD to a state's set stands in one file; XX changes a score and lets nobody in."""
    places: dict[str, set[str]] = defaultdict(set)
    for file in FILES:
        for hit in _find(file, r"'ZADD'"):
            if "'XX'" in hit:
                continue
            target = re.search(r"'ZADD',\s*(?:keys\.)?(\w+)", hit)[1]  # type: ignore[index]
            places[target].add(file)
    states = {s.value for s in SINGLE_SET} | {"ready"}
    # `key`: the terminal set that push_completed, push_dead or push_cancelled name.
    assert {t: f for t, f in places.items() if t in states or t == "key"} == {
        "ready": {"lib/ready.lua"},
        "scheduled": {"lib/later.lua"},
        "retrying": {"lib/later.lua"},
        "running": {"lib/claim.lua"},
        "key": {"lib/ended.lua"},
    }
    others = {"tombs", "remembered", "workers", "queues", "logouts", "audit", "audit_admin"}
    assert set(places) - states - {"key"} <= others


def test_each_terminal_state_has_one_door() -> None:
    text = (ROOT / "lib/ended.lua").read_text()
    for state in ("completed", "dead", "cancelled"):
        assert len(re.findall(rf"keys\.{state}\b", text)) == 1


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_that_writes_nothing_says_so_and_others_do_not(name: str) -> None:
    writes = re.search(
        r"redis\.p?call\('(Z?ADD|ZREM|H(SET|DEL|INCR)|[RL]?PUSH|[RL]POP|SET|DEL|PEXPIRE|ZPOP)", _called(name)
    )
    assert load(name).read_only == (writes is None)


def _called(name: str) -> str:
    """The script's own code, and the functions of its includes that it can reach."""
    body = load(name).body
    own = "\n".join(line for _, line in _code(f"{name}.lua"))
    functions = dict(re.findall(r"^local function (\w+)(\(.*?^end)", body, re.M | re.S))
    reached: set[str] = set()
    todo = own
    while True:
        fresh = {f for f in functions if f not in reached and re.search(rf"\b{f}\(", todo)}
        if not fresh:
            return own + "".join(functions[f] for f in reached)
        reached |= fresh
        todo = "".join(functions[f] for f in fresh)


def test_every_include_is_used() -> None:
    used = {found for f in FILES for found in re.findall(r"^-- @include (\S+)", (ROOT / f).read_text(), re.M)}
    assert used == {Path(f).with_suffix("").as_posix() for f in FILES if f.startswith("lib/")}


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_function_that_is_included_is_a_local(name: str) -> None:
    assert not re.findall(r"^function \w+", load(name).body, re.M)
