-- revive: give an ended job (dead or cancelled) another life: ready, or due later, its attempts counted anew.
--
-- KEYS
--   queue       hash    the queue's own record
--   jobs        hash    job id -> spec
--   runs        hash    job id -> run record
--   ready       prefix  the ready sets, one per priority
--   blocked     zset    job id -> enqueue time, ms
--   scheduled   zset    job id -> due time, ms
--   retrying    zset    job id -> due time, ms
--   running     zset    job id -> lease deadline, ms
--   completed   zset    job id -> time of the move, ms
--   dead        zset    job id -> time of the move, ms
--   cancelled   zset    job id -> time of the move, ms
--   unique      hash    unique key -> job id that holds it
--   wake        list    at most one token: a waiting worker takes it
--   events      list    what was noted while somebody listened, the newest 10,000
--   minute      hash    figures of the present minute
--   series      prefix  lists of figures: of minutes, ten minutes, two hours
-- ARGV
--   now_ms      time    empty: the server's clock
--   id          str     the job
--   due_ms      str     when it is due; '' or a time that is past: now
-- RETURNS  {'OK', 'ready'}; {'OK', 'scheduled'}; {'NOT', state} for a job that is not dead or cancelled; {'CONFLICT', holder, key} while
--          another job holds its unique key; {'GONE'}
-- COST     O(log N)
--
-- @include lib/queue
-- @include lib/spec
-- @include lib/run
-- @include lib/check
-- @include lib/ready
-- @include lib/later
-- @include lib/wake
-- @include lib/find

if due_ms ~= '' and not is_duration(tonumber(due_ms)) then return {'BAD', '0', 'due_ms'} end
local keys = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local spec = redis.call('HGET', jobs, id)
if not spec then return {'GONE'} end
local state, _, set = find_job(keys, id, spec)
if not state then return {'GONE'} end
if state ~= 'dead' and state ~= 'cancelled' then return {'NOT', state} end
local key = spec_unique(spec)
local holder = key ~= '' and redis.call('HGET', unique, key)
if holder and holder ~= id and redis.call('HEXISTS', jobs, holder) == 1 then return {'CONFLICT', holder, key} end
local q = open_queue(queue, now_ms, events, minute, series)
q.sets = keys
redis.call('ZREM', set, id)
local record = redis.call('HGET', runs, id)
if record then
  local run = read_run(record)
  run.attempt, run.lost = 0, 0
  redis.call('HSET', runs, id, write_run(run))
end
if key ~= '' then redis.call('HSET', unique, key, id) end
local later = due_ms ~= '' and tonumber(due_ms) > q.now
if later then
  push_scheduled(q, scheduled, tonumber(due_ms), id)
else
  push_ready(q, ready, {id}, {spec}, 1)
end
count_move(q, 'revived_total', 1)
wake_one(wake)
close_queue(q)
return {'OK', later and 'scheduled' or 'ready'}
