-- The job's spec: bytes written once at enqueue, opaque beyond their head:
--   <enqueued, ms: 7 base-62 digits><priority: 1 digit><max_lost: 1 digit or letter><type>\n<payload>
-- max_lost: how often its worker may die before the job is buried. A letter (a = 0 ... j = 9) says that two more
-- lines stand before the payload: <unique key>\n<options, JSON>\n. Short, as a waiting job's memory is mostly this.

-- spec_priority(spec) -> '0'..'9'
local function spec_priority(spec)
  return string.sub(spec, 8, 8)
end

-- spec_max_lost(spec) -> 0..9
local function spec_max_lost(spec)
  local mark = string.byte(spec, 9)
  return mark >= 97 and mark - 97 or mark - 48
end

-- spec_unique(spec) -> unique key, '' for none
local function spec_unique(spec)
  return string.match(spec, '^.......%d%a[^\n]*\n([^\n]*)\n') or ''
end

local DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

-- stamp_of(ms) -> 7 base-62 digits, sortable; good until the year 2081
local function stamp_of(ms)
  local out, rest = '', ms - ms % 1
  for _ = 1, 7 do
    local digit = rest % 62
    out = string.sub(DIGITS, digit + 1, digit + 1) .. out
    rest = (rest - digit) / 62
  end
  return out
end
