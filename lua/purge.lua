-- purge: drop jobs of one state, a slice in a call, the oldest first. Not for running jobs.
--
-- KEYS
--   queue       hash    the queue's own record
--   jobs        hash    job id -> spec
--   runs        hash    job id -> run record
--   results     hash    job id -> result, JSON
--   history     hash    job id -> one line per run that did not complete
--   journal     hash    job id -> what it reported of itself
--   ready       prefix  the ready sets, one per priority
--   blocked     zset    job id -> enqueue time, ms
--   scheduled   zset    job id -> due time, ms
--   retrying    zset    job id -> due time, ms
--   completed   zset    job id -> time of the move, ms
--   dead        zset    job id -> time of the move, ms
--   cancelled   zset    job id -> time of the move, ms
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
--   state       str     blocked, scheduled, ready, retrying, completed, dead or cancelled
--   limit       int     most jobs to drop in this call, 1 to 1000
-- RETURNS  {'OK', how many}; fewer than limit: none is left. {'BAD', '0', 'state'}
-- COST     O(M log N), M <= limit
-- FLAGS    allow-oom
--
-- @include lib/check
-- @include lib/queue
-- @include lib/spec
-- @include lib/ended
-- @include lib/delete

local sets = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, completed = completed, dead = dead,
  cancelled = cancelled,
}
local wanted = {sets[state]}
if state == 'ready' then
  for p = 0, 9 do wanted[p + 1] = ready .. p end
end
if #wanted == 0 then return {'BAD', '0', 'state'} end
if not is_whole(limit, 1, 1000) then return {'BAD', '0', 'limit'} end
local q = open_queue(queue, now_ms, events, minute, series)
q.sets = {ready = ready, scheduled = scheduled, retrying = retrying}
local records = {jobs = jobs, runs = runs, results = results, history = history, journal = journal, hooks = hooks}
local dropped = 0
for i = 1, #wanted do
  local ids = dropped < limit and redis.call('ZRANGE', wanted[i], 0, limit - dropped - 1) or {}
  if #ids > 0 then
    redis.call('ZREMRANGEBYRANK', wanted[i], 0, #ids - 1)
    release_unique(jobs, unique, ids, #ids)
    tell_waiters(waiters, done, ids, #ids)
    forget_jobs(records, ids, tombs, q.now)
    dropped = dropped + #ids
    note(q, 'deleted', ids, #ids)
  end
end
count_move(q, 'deleted_total', dropped)
close_queue(q)
return {'OK', dropped}
