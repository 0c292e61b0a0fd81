"""The Lua that scripts run in: Lua 5.1, as in Redis, with nothing in reach but the script's own work.

Only this Lua gives the same bytes in every process: the later ones order tables by a random seed, and write numbers
in another way than Redis does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import lupa.lua51

from nexq.engine.values import INT_MAX, INT_MIN, CommandError, Reply

# Its types are not described anywhere that both type checkers agree on.
_lua51: Any = lupa.lua51

# What a script sees. `pairs` and `next` are left out, as their order is no part of a script's meaning; so is all that
# reaches the outside, the time or chance.
_PRELUDE = rb"""
local call, try, text_of = ...
local loadstring, setfenv, setmetatable, getmetatable = loadstring, setfenv, setmetatable, getmetatable
local pcall, error, type, rawget, unpack = pcall, error, type, rawget, unpack
local gsub, sub, find = string.gsub, string.sub, string.find

local function read_only() error('Attempt to modify a readonly table', 2) end
local function unknown(_, name)
  error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end
local function freeze(library)
  return setmetatable({}, {__index = library, __newindex = read_only, __metatable = false})
end
local function pick(library, names)
  local out = {}
  for name in string.gmatch(names, '%S+') do out[name] = library[name] end
  return out
end

local redis = {call = call, pcall = try}
function redis.error_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return {err = 'ERR wrong number or type of arguments'}
  end
  if sub(text, 1, 1) == '-' then text = sub(text, 2) end
  if not find(text, ' ', 1, true) then text = 'ERR ' .. text end
  return {err = text}
end
function redis.status_reply(...)
  local text = ...
  if select('#', ...) ~= 1 or type(text) ~= 'string' then
    return {err = 'ERR wrong number or type of arguments'}
  end
  return {ok = text}
end

-- The text of what `error` was called with; nil for an exception that is no command's error.
local function describe(raised)
  if type(raised) == 'table' then
    local err = rawget(raised, 'err')
    return type(err) == 'string' and err or 'ERR unknown error'
  elseif type(raised) == 'userdata' then
    return text_of(raised), raised
  end
  return nil, raised
end

local env = pick(_G, 'assert error ipairs rawequal rawget rawset select setmetatable getmetatable tonumber tostring '
  .. 'type unpack _VERSION')
env._G = env
env.redis = freeze(redis)
env.string = freeze(pick(string, 'byte char find format gmatch gsub len lower match rep reverse sub upper'))
env.table = freeze(pick(table, 'concat insert remove sort maxn'))
env.math = freeze(pick(math, 'abs ceil floor fmod frexp huge max min modf pi pow sqrt log exp'))
local function settle(ok, ...)
  if ok then return true, ... end
  local text, plain = describe(...)
  if text then return false, text end
  if type(plain) ~= 'userdata' then return false, plain end
  error(plain, 0)
end
function env.pcall(...) return settle(pcall(...)) end
setmetatable(env, {__index = unknown, __newindex = read_only, __metatable = false})

local function compile(body)
  local chunk, problem = loadstring('local KEYS, ARGV = ... ' .. body, '@user_script')
  if chunk then setfenv(chunk, env) end
  return chunk, problem
end

local function one_line(text) return (gsub(text, '[\r\n]', ' ')) end

-- What is handed to Python: 0, value | 1, the table if it has more, element, ... | 2, status | 3, error.
local STEP = 4000
local function spread(reply, from)
  local read = getmetatable(reply) == nil and reply or setmetatable({}, {__index = function(_, i)
    return rawget(reply, i)
  end})
  local err, ok = read.err, read.ok
  if type(err) == 'string' then return 3, one_line(err) end
  if type(ok) == 'string' then return 2, one_line(ok) end
  local n = from
  while n < from + STEP and read[n + 1] ~= nil do n = n + 1 end
  if n == from then return 1, false end
  return 1, n == from + STEP and reply, unpack(read, from + 1, n)
end

local function finish(ok, reply)
  if ok then
    if type(reply) == 'table' then return spread(reply, 0) end
    return 0, reply
  end
  local text, plain = describe(reply)
  if text then return 3, text end
  if type(plain) == 'userdata' then error(plain, 0) end
  return 3, 'ERR ' .. tostring(plain)
end

local function run(chunk, keys, argv) return finish(pcall(chunk, keys, argv)) end

return {compile, run, spread}
"""


def _deny(_target: object, name: object, _setting: bool) -> object:
    raise AttributeError(f"scripts have no way into Python: {name!r}")


class Sandbox:
    """One Lua runtime. `call` answers redis.call, and raises CommandError."""

    def __init__(self, call: Callable[..., Any]) -> None:
        lua = _lua51.LuaRuntime(encoding=None, register_eval=False, register_builtins=False, attribute_filter=_deny)
        self.table: Callable[[Sequence[object] | dict[bytes, bytes]], Any] = lua.table_from
        self._call = call
        load = lua.eval(b"function(text, ...) return assert(loadstring(text, '@prelude'))(...) end")
        parts = load(_PRELUDE, call, self._try, _text_of)
        self._compile, self._run, self._spread = parts[1], parts[2], parts[3]

    def compile(self, body: str) -> Any:
        """A script's body as something to run. Raises CommandError where Lua cannot read it."""
        chunk, problem = self._compile(body.encode())
        if chunk is None:
            raise CommandError(f"ERR Error compiling script (new function): {problem.decode(errors='replace')}")
        return chunk

    def run(self, chunk: Any, keys: Sequence[bytes], args: Sequence[bytes]) -> Reply:
        """Run a compiled script and return its reply. Raises CommandError for an error reply."""
        table = self.table
        return self._to_reply(self._run(chunk, table(keys), table(args)))

    def _to_reply(self, outcome: tuple[Any, ...]) -> Reply:
        kind, value = outcome[0], outcome[1]
        if kind == 1:
            parts = [v if type(v) is bytes else self._to_part(v) for v in outcome[2:]]
            while value is not False:
                _, value, *more = self._spread(value, len(parts))
                parts += [v if type(v) is bytes else self._to_part(v) for v in more]
            return parts
        if kind == 3:
            raise CommandError(value.decode(errors="replace"))
        return self._to_part(value)

    def _to_part(self, value: Any) -> Reply:
        """A Lua value as a reply, by Redis's rules: numbers lose their fraction, true is 1, false is nil."""
        kind = type(value)
        if kind is bytes or kind is int:
            part: Reply = value
            return part
        if kind is float:
            # C's cast of what no 64-bit integer can hold.
            return int(value) if INT_MIN <= value < INT_MAX else INT_MIN
        if value is True:
            return 1
        if _lua51.lua_type(value) == "table":
            return self._to_reply(self._spread(value, 0))
        return None

    def _try(self, *parts: Any) -> Any:
        """redis.pcall: an error comes back as a table."""
        try:
            return self._call(*parts)
        except CommandError as error:
            return self.reply_table(b"err", error.text.encode())

    def reply_table(self, name: bytes, text: bytes) -> Any:
        """A table with one field: `ok` for a status, `err` for an error."""
        return self.table({name: text})


def _text_of(raised: object) -> bytes | None:
    """The text of a command's error, for Lua. Another exception is no business of the script's."""
    return raised.text.encode() if isinstance(raised, CommandError) else None
