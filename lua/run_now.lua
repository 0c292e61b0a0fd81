-- run_now: make a job that is due later ready at once.
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
--   wake        list    at most one token: a waiting worker takes it
--   events      list    what was noted while somebody listened, the newest 10,000
-- ARGV
--   now_ms      time    empty: the server's clock
--   id          str     the job
-- RETURNS  {'OK', 'ready'}; also when it was ready before. {'NOT', state} for a job that is not due later. {'GONE'}
-- COST     O(log N)
--
-- @include lib/queue
-- @include lib/spec
-- @include lib/ready
-- @include lib/wake
-- @include lib/find

local keys = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local spec = redis.call('HGET', jobs, id)
if not spec then return {'GONE'} end
local state, _, set = find_job(keys, id, spec)
if not state then return {'GONE'} end
if state == 'ready' then return {'OK', 'ready'} end
if state ~= 'scheduled' and state ~= 'retrying' then return {'NOT', state} end
local q = open_queue(queue, now_ms, events)
redis.call('ZREM', set, id)
push_ready(q, ready, {id}, {spec}, 1)
wake_one(wake)
close_queue(q)
return {'OK', 'ready'}
