-- reprioritize: change the priority of a job that has not ended. A ready job moves to the end of its new priority.
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
--   events      list    what was noted while somebody listened, the newest 10,000
-- ARGV
--   now_ms      time    empty: the server's clock
--   id          str     the job
--   priority    str     '0' to '9'
-- RETURNS  {'OK', state}; {'NOT', state} for a job that has ended; {'GONE'}; {'BAD', '0', 'priority'}
-- COST     O(log N)
--
-- @include lib/queue
-- @include lib/spec
-- @include lib/ready
-- @include lib/find

if not string.find(priority, '^%d$') then return {'BAD', '0', 'priority'} end
local keys = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local spec = redis.call('HGET', jobs, id)
if not spec then return {'GONE'} end
local state, _, set = find_job(keys, id, spec)
if not state then return {'GONE'} end
if state == 'completed' or state == 'dead' or state == 'cancelled' then return {'NOT', state} end
if spec_priority(spec) == priority then return {'OK', state} end
local q = open_queue(queue, now_ms, events)
spec = string.sub(spec, 1, 7) .. priority .. string.sub(spec, 9)
redis.call('HSET', jobs, id, spec)
if state == 'ready' then
  redis.call('ZREM', set, id)
  push_ready(q, ready, {id}, {spec}, 1)
end
close_queue(q)
return {'OK', state}
