-- graves: dead jobs grouped by the fingerprint of their last error, a slice in a call, the newest first.
--
-- KEYS
--   dead        zset    job id -> time of the move, ms
--   jobs        hash    job id -> spec
--   history     hash    job id -> one line per run that did not complete
-- ARGV
--   limit       int     most jobs to look at, 1 to 1000
--   after_id    str     the last id that was looked at before, '' at the start
--   after_score str     its score, for when it has left the set meanwhile
-- RETURNS  {how many were looked at, id and score of the last of these ('' and '' at the end), group, ...}; group:
--          {fingerprint, first death in ms, last death in ms, id of the last one, {type, count, ...}}. A slice also ends
--          after about 1 MB of history.
-- COST     O(log N + M), M <= limit
-- FLAGS    no-writes
--
-- @include lib/check
-- @include lib/page
-- @include lib/grave

if not is_whole(limit, 1, 1000) then return {'BAD', '0', 'limit'} end
local from, to = ranks(dead, limit, 1, after_id, after_score)
local listed = redis.call('ZRANGE', dead, from, to, 'REV', 'WITHSCORES')
local count = #listed / 2
local reply, groups = {0, '', ''}, {}

-- add_to_group(id, died_ms, type, text): the newest death of a group comes first.
local function add_to_group(id, died_ms, type, text)
  local group = groups[text]
  if not group then
    group = {fingerprint(text), died_ms, died_ms, id, {}}
    groups[text] = group
    reply[#reply + 1] = group
  end
  group[2] = died_ms
  local types = group[5]
  for i = 1, #types, 2 do
    if types[i] == type then
      types[i + 1] = types[i + 1] + 1
      return
    end
  end
  types[#types + 1] = type
  types[#types + 1] = 1
end

local looked, bytes = 0, 0
while looked < count and bytes < 1000000 do
  local ids = {}
  for i = looked + 1, math.min(looked + 50, count) do ids[#ids + 1] = listed[2 * i - 1] end
  local specs = redis.call('HMGET', jobs, unpack(ids))
  local lines = redis.call('HMGET', history, unpack(ids))
  for i = 1, #ids do
    looked = looked + 1
    if specs[i] then
      bytes = bytes + (lines[i] and #lines[i] or 0)
      local type = string.match(specs[i], '^.........([^\n]*)\n')
      add_to_group(ids[i], listed[2 * looked], type, lines[i] and error_of(last_line(lines[i])) or '')
    end
  end
end
reply[1] = looked
if looked == limit or looked < count then reply[2], reply[3] = listed[2 * looked - 1], listed[2 * looked] end
return reply
