-- search: the jobs of one sorted set that fit, newest or oldest first, from a cursor on, a slice in a call.
--
-- KEYS
--   set         zset    a state's set
--   jobs        hash    job id -> spec
--   runs        hash    job id -> run record
--   history     hash    job id -> one line per run that did not complete
-- ARGV
--   limit       int     most jobs to look at, 1 to 1000
--   most        int     most jobs to find, 1 to 1000
--   newest      int     1: highest score first
--   after_id    str     the last id that was looked at before, '' at the start
--   after_score str     its score, for when it has left the set meanwhile
--   type        str     only this type; '' any
--   tags        str     only with all of these, by spaces; '' any
--   worker      str     only those that this worker runs, or ran last; '' any
--   grave       str     only with this fingerprint of their last error (lib/grave.lua); '' any
--   texts       list    lower-case forms of a text of which one must stand in id, type, payload or last error,
--                       whatever its case there; none: any
-- RETURNS  {how many were looked at, id and score of the last of these ('' and '' at the end), id, score, ... of those
--          that fit}. A slice also ends after about 1 MB of specs and history.
-- COST     O(log N + M), M <= limit
-- FLAGS    no-writes
--
-- @include lib/check
-- @include lib/page
-- @include lib/run
-- @include lib/grave

if not is_whole(limit, 1, 1000) or not is_whole(most, 1, 1000) then return {'BAD', '0', 'limit'} end

-- holds(text) -> whether one of the texts stands in it
local function holds(text)
  text = string.lower(text)
  for i = texts, #ARGV do
    if string.find(text, ARGV[i], 1, true) then return true end
  end
  return false
end

-- has_tags(spec) -> whether the spec has all the tags: its options are JSON, and no tag holds what JSON escapes.
local function has_tags(spec)
  local options = string.match(spec, '^.......%d%a[^\n]*\n[^\n]*\n([^\n]*)\n')
  local own = options and string.match(options, '"tags":%[([^%]]*)%]')
  if not own then return false end
  for tag in string.gmatch(tags, '%S+') do
    if not string.find(own, '"' .. tag .. '"', 1, true) then return false end
  end
  return true
end

-- fits(id, spec, run, lines) -> whether a job is looked for
local function fits(id, spec, run, lines)
  if type ~= '' and string.sub(spec, 10, 10 + #type) ~= type .. '\n' then return false end
  if tags ~= '' and not has_tags(spec) then return false end
  if worker ~= '' and read_run(run).worker ~= worker then return false end
  if grave ~= '' and not (lines and fingerprint(error_of(last_line(lines))) == grave) then return false end
  return not ARGV[texts] or holds(id) or holds(string.sub(spec, 10)) or (lines and holds(last_line(lines)))
end

local from, to = ranks(set, limit, newest, after_id, after_score)
-- Without scores, which cost more to write down than all the rest: few are asked for.
local listed = newest == 1 and redis.call('ZRANGE', set, from, to, 'REV') or redis.call('ZRANGE', set, from, to)
local reply, bytes, looked, full = {0, '', ''}, 0, 0, false
local wants_lines = ARGV[texts] or grave ~= ''
while looked < #listed and bytes < 1000000 and not full do
  local upto = math.min(looked + 50, #listed)
  local at = looked
  local specs = redis.call('HMGET', jobs, unpack(listed, at + 1, upto))
  local records = worker ~= '' and redis.call('HMGET', runs, unpack(listed, at + 1, upto)) or {}
  local lines = wants_lines and redis.call('HMGET', history, unpack(listed, at + 1, upto)) or {}
  for i = 1, upto - at do
    looked = at + i
    local id, spec = listed[looked], specs[i]
    if spec then
      bytes = bytes + #spec + (lines[i] and #lines[i] or 0)
      if fits(id, spec, records[i], lines[i]) then
        reply[#reply + 1] = id
        reply[#reply + 1] = redis.call('ZSCORE', set, id)
        full = #reply == 3 + 2 * most
        if full then break end
      end
    end
  end
end
reply[1] = looked
if full or looked == limit or looked < #listed then
  reply[2], reply[3] = listed[looked], redis.call('ZSCORE', set, listed[looked])
end
return reply
