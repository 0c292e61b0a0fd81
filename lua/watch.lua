-- watch: ask to be told of a job's end, unless it has ended already.
--
-- KEYS
--   jobs        hash    job id -> spec
--   waiters     hash    job id -> names of those who wait for its end
--   ready       prefix  the ready sets, one per priority
--   blocked     zset    job id -> enqueue time, ms
--   scheduled   zset    job id -> due time, ms
--   retrying    zset    job id -> due time, ms
--   running     zset    job id -> lease deadline, ms
--   completed   zset    job id -> time of the move, ms
--   dead        zset    job id -> time of the move, ms
--   cancelled   zset    job id -> time of the move, ms
-- ARGV
--   id          str     the job
--   waiter      str     whose list gets the id
-- RETURNS  {'OK', state}; for an ended job nothing was noted. {'GONE'}
-- COST     O(log N)
-- FLAGS    allow-oom
--
-- @include lib/spec
-- @include lib/find

local keys = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local spec = redis.call('HGET', jobs, id)
if not spec then return {'GONE'} end
local state = find_job(keys, id, spec)
if not state then return {'GONE'} end
if state == 'completed' or state == 'dead' or state == 'cancelled' then return {'OK', state} end
local names = redis.call('HGET', waiters, id) or ''
if not string.find(' ' .. names .. ' ', ' ' .. waiter .. ' ', 1, true) and #names < 4096 then
  redis.call('HSET', waiters, id, names == '' and waiter or names .. ' ' .. waiter)
end
return {'OK', state}
