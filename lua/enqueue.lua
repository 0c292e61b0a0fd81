-- enqueue: take new jobs in: ready now, or scheduled for later.
--
-- A repeat of the same job id changes nothing, whatever has become of the job since: for at least a minute, or for
-- remember_ms where that is given.
--
-- KEYS
--   queue       hash    the queue's own record
--   jobs        hash    job id -> spec
--   ready       prefix  the ready sets, one per priority
--   scheduled   zset    job id -> due time, ms
--   retrying    zset    job id -> due time, ms
--   running     zset    job id -> lease deadline, ms
--   tombs       zset    deleted job id -> when, ms
--   remembered  zset    id whose enqueue may be repeated -> until when, ms
--   unique      hash    unique key -> job id that holds it
--   hooks       hash    job id -> its webhooks, a line each
--   wake        list    at most one token: a waiting worker takes it
--   events      list    what was noted while somebody listened, the newest 10,000
--   minute      hash    figures of the present minute
--   series      prefix  lists of figures: of minutes, ten minutes, two hours
-- ARGV
--   now_ms      time    empty: the server's clock
--   remember_ms num     how long a repeat of these ids may come; 0: as soon as it usually would
--   n_hooked    int     how many of the jobs have webhooks
--   entries     list    per job with webhooks: id, its webhooks, a line each (lib/hooks.lua); then per job:
--                       id, spec without its time, delay_ms ('' now, '@ms' absolute), unique key ('' none)
-- RETURNS  {'OK', place, why, holder, ...}: one triple for each job not taken. why: DUPLICATE (the id is known),
--          CONFLICT (holder has the unique key). {'BAD', place, what}: nothing was taken.
-- COST     O(M log N) for M jobs
--
-- @include lib/check
-- @include lib/queue
-- @include lib/spec
-- @include lib/ready
-- @include lib/remember
-- @include lib/later
-- @include lib/wake

if not is_duration(remember_ms) then return {'BAD', '0', 'remember_ms'} end
if not is_whole(n_hooked, 0, 1000) then return {'BAD', '0', 'webhooks'} end
local hooked = entries
entries = entries + 2 * n_hooked
local count = (#ARGV - entries + 1) / 4
if not is_whole(count, 0, 1000) then return {'BAD', '0', 'batch'} end

local LONG_SPEC = '^%d[a-j][^\n]*\n[^\n]*\n[^\n]*\n'
local ids, any_unique = {}, false
for i = 1, count do
  local at = entries + (i - 1) * 4
  local delay = ARGV[at + 2]
  if not string.find(ARGV[at + 1], '^%d%d[^\n]*\n') and not string.find(ARGV[at + 1], LONG_SPEC) then
    return {'BAD', tostring(i - 1), 'spec'}
  end
  if delay ~= '' then
    local due = tonumber(string.sub(delay, 1, 1) == '@' and string.sub(delay, 2) or delay)
    if not is_duration(due) then return {'BAD', tostring(i - 1), 'delay_ms'} end
  end
  if ARGV[at + 3] ~= '' then any_unique = true end
  ids[i] = ARGV[at]
end
for i = 1, n_hooked do
  if not string.find(ARGV[hooked + 2 * i - 1], '^[cdx]+ {') then return {'BAD', tostring(i - 1), 'webhooks'} end
end
if count == 0 then return {'OK'} end

local known = redis.call('HMGET', jobs, unpack(ids))
local buried
if redis.call('EXISTS', tombs) == 1 then buried = redis.call('ZMSCORE', tombs, unpack(ids)) end
local repeated
if remember_ms > 0 then repeated = redis.call('ZMSCORE', remembered, unpack(ids)) end
local q = open_queue(queue, now_ms, events, minute, series)
q.sets = {ready = ready, scheduled = scheduled, retrying = retrying, running = running}
local stamp = stamp_of(q.now)
local reply = {'OK'}
local seen = {}
local fields = {}
local now_ids, now_specs, n_now = {}, {}, 0
local later = {}
local holders = {}
local conflicting = false

local function refuse(i, why, holder)
  local n = #reply
  reply[n + 1], reply[n + 2], reply[n + 3] = tostring(i - 1), why, holder
end

for i = 1, count do
  local at = entries + (i - 1) * 4
  local id = ids[i]
  if known[i] or seen[id] or (buried and buried[i]) or (repeated and repeated[i]) then
    refuse(i, 'DUPLICATE', id)
  else
    local holder
    local key = ARGV[at + 3]
    if any_unique and key ~= '' then
      holder = holders[key] or redis.call('HGET', unique, key)
      if holder and not holders[key] and redis.call('HEXISTS', jobs, holder) == 0 then holder = nil end
    end
    if holder then
      conflicting = true
      refuse(i, 'CONFLICT', holder)
    else
      seen[id] = true
      if key ~= '' then holders[key] = id end
      local spec = stamp .. ARGV[at + 1]
      fields[#fields + 1] = id
      fields[#fields + 1] = spec
      local delay = ARGV[at + 2]
      local due
      if string.sub(delay, 1, 1) == '@' then
        due = tonumber(string.sub(delay, 2))
      else
        due = q.now + (tonumber(delay) or 0)
      end
      if due > q.now then
        later[#later + 1] = {due, id}
      else
        n_now = n_now + 1
        now_ids[n_now], now_specs[n_now] = id, spec
      end
    end
  end
end

if #fields > 0 then
  redis.call('HSET', jobs, unpack(fields))
  if any_unique then
    for i = 1, count do
      local key = ARGV[entries + (i - 1) * 4 + 3]
      if holders[key] == ids[i] then redis.call('HSET', unique, key, ids[i]) end
    end
  end
  for i = hooked, entries - 1, 2 do
    if seen[ARGV[i]] then redis.call('HSET', hooks, ARGV[i], ARGV[i + 1]) end
  end
  local sooner = false
  if #later > 0 then
    local first = earliest(scheduled)
    for i = 1, #later do
      if not first or later[i][1] < first then sooner = true end
      push_scheduled(q, scheduled, later[i][1], later[i][2])
    end
  end
  if n_now > 0 then push_ready(q, ready, now_ids, now_specs, n_now) end
  count_move(q, 'enqueued_total', #fields / 2)
  if n_now > 0 or sooner then wake_one(wake) end
  close_queue(q)
end
if remember_ms > 0 then
  local taken, n = ids, count
  if conflicting then
    -- One that was turned away may come again once its unique key is free.
    taken, n = {}, 0
    for i = 1, count do
      if known[i] or seen[ids[i]] or (buried and buried[i]) or repeated[i] then
        n = n + 1
        taken[n] = ids[i]
      end
    end
  end
  remember_ids(q, remembered, taken, n, remember_ms)
end
return reply
