"""The loader: headers read, includes inlined once, mistakes named with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nexq.scripts import ScriptError, find_lua, load, names

HEADER = """\
-- move: a script for this test.
--
-- KEYS
--   queue       hash    the queue's own record
--   ready       prefix  the ready sets
-- ARGV
--   now_ms      time    empty: the server's clock
--   limit       int     most jobs
--   rest        list    the rest
-- RETURNS  {'OK'}
-- COST     O(1)
"""


def _write(root: Path, name: str, text: str) -> None:
    path = root / f"{name}.lua"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_slots_become_locals_by_name(tmp_path: Path) -> None:
    _write(tmp_path, "move", HEADER + "-- FLAGS    allow-oom\n\nreturn {'OK'}\n")
    script = load("move", tmp_path)
    assert (script.name, script.keys, script.args) == ("move", ("queue", "ready"), ("now_ms", "limit", "rest"))
    lines = script.body.splitlines()
    assert "local queue = KEYS[1]" in lines
    assert "local ready = KEYS[2]" in lines
    assert "local now_ms = ARGV[1]" in lines
    assert any(line.startswith("local limit = tonumber(ARGV[2])") for line in lines)
    assert "local rest = 3" in lines
    assert lines[-1] == "return {'OK'}"


def test_real_servers_get_a_shebang_with_the_flags_others_get_none(tmp_path: Path) -> None:
    _write(tmp_path, "move", HEADER + "-- FLAGS    allow-oom no-writes\n\nreturn 1\n")
    _write(tmp_path, "plain", HEADER + "\nreturn 1\n")
    move, plain = load("move", tmp_path), load("plain", tmp_path)
    assert move.text == "#!lua flags=allow-oom,no-writes\n" + move.body
    assert plain.text == "#!lua\n" + plain.body
    assert not move.body.startswith("#!")
    assert (move.read_only, plain.read_only) == (True, False)


def test_includes_are_inlined_once_those_they_need_first(tmp_path: Path) -> None:
    _write(tmp_path, "lib/base", "-- base\nlocal base = 1\n")
    _write(tmp_path, "lib/left", "-- left\n-- @include lib/base\nlocal left = base\n")
    _write(tmp_path, "lib/right", "-- right\n-- @include lib/base\nlocal right = base\n")
    _write(
        tmp_path, "move", HEADER + "--\n-- @include lib/left\n-- @include lib/right\n-- @include lib/left\n\nreturn 1\n"
    )
    code = [line for line in load("move", tmp_path).body.splitlines() if "KEYS" not in line and "ARGV" not in line]
    assert code[1:] == ["local base = 1", "local left = base", "local right = base", "return 1"]


def test_a_missing_include_is_named_with_file_and_line(tmp_path: Path) -> None:
    _write(tmp_path, "move", HEADER + "--\n-- @include lib/nowhere\n\nreturn 1\n")
    with pytest.raises(ScriptError, match=r"move\.lua:13: include not found: lib/nowhere"):
        load("move", tmp_path)


def test_a_circular_include_is_named_with_file_line_and_way(tmp_path: Path) -> None:
    _write(tmp_path, "lib/a", "-- @include lib/b\n")
    _write(tmp_path, "lib/b", "-- b\n-- @include lib/a\n")
    _write(tmp_path, "move", HEADER + "-- @include lib/a\n\nreturn 1\n")
    with pytest.raises(ScriptError, match=r"b\.lua:2: circular include: move -> lib/a -> lib/b -> lib/a"):
        load("move", tmp_path)


def test_an_include_of_itself_is_circular(tmp_path: Path) -> None:
    _write(tmp_path, "lib/a", "-- @include lib/a\n")
    _write(tmp_path, "move", HEADER + "-- @include lib/a\n\nreturn 1\n")
    with pytest.raises(ScriptError, match=r"a\.lua:1: circular include"):
        load("move", tmp_path)


@pytest.mark.parametrize(
    ("line", "place"), [("--   key         table   what\n", 4), ("--   key         int     what\n", 4)]
)
def test_an_unknown_kind_of_key_is_named_with_file_and_line(tmp_path: Path, line: str, place: int) -> None:
    _write(tmp_path, "move", f"-- move: x.\n--\n-- KEYS\n{line}\nreturn 1\n")
    with pytest.raises(ScriptError, match=rf"move\.lua:{place}: key is '(table|int)', expected hash, list"):
        load("move", tmp_path)


def test_an_unknown_kind_of_argument_is_named_with_file_and_line(tmp_path: Path) -> None:
    _write(tmp_path, "move", "-- move: x.\n--\n-- ARGV\n--   id          hash    what\n\nreturn 1\n")
    with pytest.raises(ScriptError, match=r"move\.lua:4: id is 'hash', expected int, list, num, str, time"):
        load("move", tmp_path)


def test_a_list_must_be_the_last_argument(tmp_path: Path) -> None:
    _write(
        tmp_path, "move", "-- move: x.\n-- ARGV\n--   ids         list    a\n--   more        str     b\n\nreturn 1\n"
    )
    with pytest.raises(ScriptError, match=r"move\.lua:4: a list must be the last"):
        load("move", tmp_path)


def test_a_script_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScriptError, match="script 'ghost' not found"):
        load("ghost", tmp_path)


def test_keys_are_bound_by_name_in_the_headers_order(tmp_path: Path) -> None:
    _write(tmp_path, "move", HEADER + "\nreturn 1\n")
    script = load("move", tmp_path)
    assert script.bind_keys({"ready": "r", "other": "o", "queue": "q"}) == ("q", "r")
    with pytest.raises(ScriptError, match="move: no key given for queue, ready"):
        script.bind_keys({"queues": "q"})


def test_comments_are_not_sent(tmp_path: Path) -> None:
    _write(tmp_path, "one", HEADER + "\n-- a comment\n\nreturn 1\n")
    _write(tmp_path, "two", HEADER + "\n  -- another\nreturn 1\n")
    one, two = load("one", tmp_path), load("two", tmp_path)
    assert "comment" not in one.text
    assert one.sha == two.sha


def test_the_projects_own_scripts_are_found() -> None:
    assert {"enqueue", "exchange", "extend", "tidy"} <= set(names())
    assert find_lua().name in ("lua", "_lua")
