-- check_hash: a slice of one hash of a queue: which of its entries belong to no job as they should. For the doctor.
--
-- KEYS
--   walked      hash    the hash to walk
--   jobs        hash    job id -> spec
--   ready       prefix  the ready sets, one per priority
--   blocked     zset    job id -> enqueue time, ms
--   scheduled   zset    job id -> due time, ms
--   retrying    zset    job id -> due time, ms
--   running     zset    job id -> lease deadline, ms
--   completed   zset    job id -> time of the move, ms
--   dead        zset    job id -> time of the move, ms
--   cancelled   zset    job id -> time of the move, ms
-- ARGV
--   name        str     which hash it is: jobs, unique, cancels, or another one with job ids as fields
--   cursor      str     '0' at the start, then as the slice before returned it
--   limit       int     about how many entries to look at, at most 500
--   scan        int     1: by HSCAN; 0: by HKEYS, for engines in the caller's own process, which have no HSCAN
-- RETURNS  {next cursor or '0' at the end, number of entries looked at, {field, ...}}: of `jobs` the ids that stand
--          in no set; of `unique` the keys whose holder is gone, has ended or has another key; of `cancels` the ids
--          that are not running; of every other the ids that are not in `jobs`
-- COST     O(M); with HKEYS O(N)
-- FLAGS    no-writes
--
-- @include lib/spec
-- @include lib/find

if limit < 1 or limit > 500 then return {'BAD', '0', 'batch'} end
local fields, following = {}, '0'
if scan == 1 then
  local found = redis.pcall('HSCAN', walked, cursor, 'COUNT', limit, 'NOVALUES')
  local step = 1
  if found.err then
    found = redis.call('HSCAN', walked, cursor, 'COUNT', limit)
    step = 2
  end
  following = found[1]
  for i = 1, #found[2], step do fields[#fields + 1] = found[2][i] end
else
  local all = redis.call('HKEYS', walked)
  local from = tonumber(cursor)
  for i = from + 1, math.min(from + limit, #all) do fields[#fields + 1] = all[i] end
  if from + limit < #all then following = string.format('%d', from + limit) end
end

local keys = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local bad = {}
local function stands_right(key)
  if name == 'unique' then
    local holder = redis.call('HGET', walked, key)
    local spec = holder and redis.call('HGET', jobs, holder)
    return spec and spec_unique(spec) == key and not redis.call('ZSCORE', completed, holder)
      and not redis.call('ZSCORE', dead, holder) and not redis.call('ZSCORE', cancelled, holder)
  elseif name == 'cancels' then
    return redis.call('ZSCORE', running, key)
  end
  return redis.call('HEXISTS', jobs, key) == 1
end
if name == 'jobs' and #fields > 0 then
  local found = {}
  for _, set in ipairs(sets_of(keys)) do
    if redis.call('EXISTS', set[2]) == 1 then
      -- A scan of a small hash returns all of it, whatever the limit.
      for from = 1, #fields, 1000 do
        local to = math.min(from + 999, #fields)
        local scores = redis.call('ZMSCORE', set[2], unpack(fields, from, to))
        for i = from, to do
          if scores[i - from + 1] then found[i] = true end
        end
      end
    end
  end
  for i = 1, #fields do
    if not found[i] then bad[#bad + 1] = fields[i] end
  end
elseif name ~= 'jobs' then
  for i = 1, #fields do
    if not stands_right(fields[i]) then bad[#bad + 1] = fields[i] end
  end
end
return {following, #fields, bad}
