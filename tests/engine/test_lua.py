"""Scripts: what they see, what they return, how they fail. The twin says that a real server does the same."""

from __future__ import annotations

import pytest

from nexq.engine import Engine
from nexq.errors import ScriptFailed
from tests.engine.twin import Twin, script


def run(body: str) -> object:
    """The reply of a script on an empty engine."""
    return Engine().run(script(body), (), ())


REPLIES = [
    "return",
    "return nil",
    "return true",
    "return false",
    "return 'text'",
    "return 'a\\0b\\255'",
    "return ''",
    "return 1.9",
    "return -1.9",
    "return -0.0",
    "return 1e15",
    "return 1e18",
    "return 2^63",
    "return -2^63",
    "return {1e300, -1e300, 0/0, 1/0}",
    "return {}",
    "return {1, 2.5, 'x', true}",
    "return {1, false, 2}",
    "return {1, nil, 2}",
    "return {nil, 1}",
    "return {{}, {1, {2, {3}}}, {{}}}",
    "return {1, 2, ok = 'fine'}",
    "return {ok = 'two\\nlines'}",
    "return {ok = 1}",
    "return {err = 1}",
    "return {err = 'CODE text'}",
    "return {err = 'two\\r\\nlines x'}",
    "return {1, {ok = 'x'}}",
    "return function() end",
    "return {function() end, 1}",
    "return 1, 2",
    "return setmetatable({}, {__index = function() return 5 end})",
    "return redis.status_reply('FINE')",
    "return redis.error_reply('CODE text')",
    "return redis.error_reply('-CODE text')",
    "return redis.error_reply('text')",
    "return redis.error_reply(1)",
    "return redis.status_reply()",
    "return redis.call('TYPE', 'none')",
    "return redis.call('TYPE', 'none').ok",
    "return type(redis.call('SET', 'k', 'v'))",
    "return redis.call('set', 'k', 'v')",
    "return {tostring(redis.call('GET', 'none')), type(redis.call('LLEN', 'none'))}",
    "return {type(redis.call('TIME')[1]), tostring(redis.call('TIME')[3])}",
    "redis.call('SET', 'k', 'v') return redis.pcall('HGET', 'k', 'f')",
    "redis.call('SET', 'k', 'v') return redis.pcall('HGET', 'k', 'f').err",
    "redis.call('SET', 'k', 'v') return {pcall(redis.call, 'HGET', 'k', 'f')}",
    "local ok, why = pcall(redis.call, 'NOPE') return {tostring(ok), type(why)}",
    "local ok, why = pcall(error, {err = 'CODE x'}) return {tostring(ok), why}",
    "local ok, why = pcall(error, 'plain') return {tostring(ok), why}",
    "local t = {} for i = 1, 9000 do t[i] = i end return t",
    "local t = {} for i = 1, 4000 do t[i] = 'x' end return {t, t}",
    "return {tostring(1e15), tostring(0.1), 2^53 .. '', 1e14 .. '', math.pi .. ''}",
    "return {string.format('%.0f %d %.17g', 1.5, 3, 0.1), tostring(tonumber('0x10')), ('5' + 1) .. ''}",
    "return {unpack({1, 2, 3}, 2)}",
    "return #KEYS + #ARGV",
    "KEYS[3] = 'mine' return KEYS[3]",
]


@pytest.mark.parametrize("body", REPLIES)
def test_a_reply_is_the_servers(twin: Twin, body: str) -> None:
    twin.eval(body)


FAILURES = [
    "error('boom')",
    "error('boom', 0)",
    "error({err = 'CODE text'})",
    "local x; return x.y",
    "return nope",
    "nope = 1",
    "string.mine = 1",
    "redis.mine = 1",
    "return {print}",
    "return dofile",
    "return require",
    "return getfenv",
    "return newproxy",
    "redis.call('SET', 'k', 'v') redis.call('HGET', 'k', 'f')",
    "redis.call('NOPE')",
    "redis.call('GET')",
    "redis.call()",
    "redis.call('GET', true)",
    "redis.call('GET', {})",
    "redis.call('GET', nil)",
    "redis.call('ZADD', 'z', true, 'm')",
    "redis.call('ZADD', 'z', 1, {})",
    "redis.call('ZADD', 'z', 0/0, 'm')",
    "redis.call(nil)",
    "local t = {} for i = 1, 9000 do t[i] = i end redis.call('HMGET', 'h', unpack(t))",
]


@pytest.mark.parametrize("body", FAILURES)
def test_a_failure_is_the_servers(twin: Twin, body: str) -> None:
    assert isinstance(twin.eval(body), str)


def test_the_place_of_an_error_is_the_scripts_line() -> None:
    with pytest.raises(ScriptFailed, match=r"Script 'test' failed: ERR user_script:3: attempt to index"):
        run("local a = 1\n\nreturn a.b.c")


def test_what_was_written_before_an_error_stays(twin: Twin) -> None:
    twin.eval("redis.call('SET', 'k', 'v') redis.call('ZADD', 'z', 1, 'm') error('boom')")
    assert twin.engine_state() == twin.server_state() != {}


@pytest.mark.parametrize(
    "name",
    [
        *("os", "io", "package", "require", "module", "loadfile", "dofile", "load", "loadstring", "debug", "python"),
        *("getfenv", "setfenv", "collectgarbage", "newproxy", "print", "coroutine", "pairs", "next"),
    ],
)
def test_there_is_no_way_out(name: str) -> None:
    with pytest.raises(ScriptFailed, match=f"nonexistent global variable '{name}'"):
        run(f"return {name}")


@pytest.mark.parametrize("body", ["return math.random", "return math.randomseed", "return string.dump"])
def test_chance_and_code_are_out_of_reach(body: str) -> None:
    assert run(body) is None


def test_there_is_no_way_into_python() -> None:
    for body in ("return redis.call.__self__", "return redis.call['__globals__']"):
        with pytest.raises(Exception, match="no way into Python"):
            run(body)


def test_another_exception_is_not_the_scripts_to_catch() -> None:
    engine = Engine()

    def interrupt(*_: object) -> object:
        raise KeyboardInterrupt

    engine._commands[b"GET"] = engine._commands[b"GET"]._replace(function=interrupt)  # type: ignore[arg-type]
    for body in (
        "return redis.call('GET', 'k')",
        "pcall(redis.call, 'GET', 'k') return 1",
        "return redis.pcall('GET', 'k')",
    ):
        with pytest.raises(KeyboardInterrupt):
            engine.run(script(body), (), ())
    assert engine.run(script("return 1"), (), ()) == 1


def test_a_script_that_lua_cannot_read() -> None:
    with pytest.raises(ScriptFailed, match=r"Error compiling script.*user_script:2:"):
        run("local a = 1\nreturn return")


def test_a_reply_that_holds_itself() -> None:
    with pytest.raises(ScriptFailed, match="nested too deep"):
        run("local t = {} t[1] = t return t")


def test_no_run_leaves_anything_to_the_next() -> None:
    engine = Engine()
    assert engine.run(script("KEYS[1] = 'x' ARGV.y = 1 return 1"), (), ()) == 1
    assert engine.run(script("return {KEYS[1] or 'none', ARGV.y or 'none'}"), (), ()) == [b"none", b"none"]
