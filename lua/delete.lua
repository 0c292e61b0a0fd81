-- delete: drop a job and all that is known of it. A running job must be cancelled first.
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
--   results     hash    job id -> result, JSON
--   history     hash    job id -> one line per run that did not complete
--   journal     hash    job id -> what it reported of itself
--   unique      hash    unique key -> job id that holds it
--   hooks       hash    job id -> its webhooks, a line each
--   waiters     hash    job id -> names of those who wait for its end
--   done        prefix  lists of ended ids, one per waiter
--   tombs       zset    deleted job id -> when, ms
--   events      list    what was noted while somebody listened, the newest 10,000
--   minute      hash    figures of the present minute
--   series      prefix  lists of figures: of minutes, ten minutes, two hours
-- ARGV
--   now_ms      time    empty: the server's clock
--   id          str     the job
-- RETURNS  {'OK', the state it was in}; {'NOT', 'running'}; {'GONE'}
-- COST     O(log N)
-- FLAGS    allow-oom
--
-- @include lib/queue
-- @include lib/spec
-- @include lib/ended
-- @include lib/delete
-- @include lib/find

local keys = {
  jobs = jobs, runs = runs, results = results, history = history, journal = journal, hooks = hooks,
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local spec = redis.call('HGET', jobs, id)
if not spec then return {'GONE'} end
local state, _, set = find_job(keys, id, spec)
if state == 'running' then return {'NOT', state} end
local q = open_queue(queue, now_ms, events, minute, series)
q.sets = keys
if set then redis.call('ZREM', set, id) end
release_unique(jobs, unique, {id}, 1)
tell_waiters(waiters, done, {id}, 1)
forget_jobs(keys, {id}, tombs, q.now)
count_move(q, 'deleted_total', 1)
note(q, 'deleted', {id}, 1)
close_queue(q)
return {'OK', state or 'nowhere'}
