-- cancel: end a job that has not ended. A waiting job is cancelled at once; of a running one its worker is told,
-- and the job ends when the worker settles it or its lease runs out.
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
--   cancels     hash    running job asked to cancel -> when, ms
--   hooks       hash    job id -> its webhooks, a line each
--   waiters     hash    job id -> names of those who wait for its end
--   done        prefix  lists of ended ids, one per waiter
--   control     prefix  lists of orders, one per worker
--   wake        list    at most one token: a waiting worker takes it
--   events      list    what was noted while somebody listened, the newest 10,000
--   minute      hash    figures of the present minute
--   series      prefix  lists of figures: of minutes, ten minutes, two hours
-- ARGV
--   now_ms      time    empty: the server's clock
--   id          str     the job
-- RETURNS  {'OK', 'cancelled'}, {'OK', 'running'} (its worker is told), {'ENDED', state}, {'GONE'}
-- COST     O(log N)
-- FLAGS    allow-oom
--
-- @include lib/queue
-- @include lib/spec
-- @include lib/run
-- @include lib/ended
-- @include lib/wake
-- @include lib/find

local keys = {
  jobs = jobs, hooks = hooks, unique = unique, waiters = waiters, done = done,
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local spec = redis.call('HGET', jobs, id)
if not spec then return {'GONE'} end
local state, _, set = find_job(keys, id, spec)
if not state then return {'GONE'} end
if state == 'completed' or state == 'dead' or state == 'cancelled' then return {'ENDED', state} end
local q = open_queue(queue, now_ms, events, minute, series)
q.sets = keys
if state == 'running' then
  local run = read_run(redis.call('HGET', runs, id))
  redis.call('HSET', cancels, id, string.format('%.0f', q.now))
  redis.call('RPUSH', control .. run.worker, 'cancel ' .. id .. ' ' .. run.token)
  redis.call('PEXPIRE', control .. run.worker, 60000)
  close_queue(q)
  return {'OK', 'running'}
end
redis.call('ZREM', set, id)
push_cancelled(q, keys, {id}, 1)
if q.called > 0 then wake_one(wake) end
close_queue(q)
return {'OK', 'cancelled'}
