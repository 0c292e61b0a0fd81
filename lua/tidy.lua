-- tidy: promote, reap and prune a slice each, for a queue that no worker serves just now.
--
-- KEYS
--   queue       hash    the queue's own record
--   jobs        hash    job id -> spec
--   runs        hash    job id -> run record
--   results     hash    job id -> result, JSON
--   history     hash    job id -> one line per run that did not complete
--   journal     hash    job id -> what it reported of itself
--   ready       prefix  the ready sets, one per priority
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
--   tombs       zset    deleted job id -> when, ms
--   rerouted    list    jobs taken back from dead workers, the newest 1,000
--   wake        list    at most one token: a waiting worker takes it
--   events      list    what was noted while somebody listened, the newest 10,000
--   minute      hash    figures of the present minute
--   series      prefix  lists of figures: of minutes, ten minutes, two hours
-- ARGV
--   now_ms      time    empty: the server's clock
--   slice       int     most jobs to promote, to reap and to prune in this call, up to 1000
--   keep        str     retention: '<ms> <count>' of completed and cancelled, '<ms> <count>' of dead, tombstone ms
-- RETURNS  {'OK', promoted, reaped, pruned}
-- COST     O(M log N), M <= slice
-- FLAGS    allow-oom
--
-- @include lib/check
-- @include lib/queue
-- @include lib/spec
-- @include lib/run
-- @include lib/ready
-- @include lib/later
-- @include lib/wake
-- @include lib/history
-- @include lib/ended
-- @include lib/due
-- @include lib/reap
-- @include lib/delete

local keys = {
  jobs = jobs, runs = runs, results = results, history = history, journal = journal, ready = ready, running = running,
  scheduled = scheduled, retrying = retrying,
  completed = completed, dead = dead, cancelled = cancelled, unique = unique, cancels = cancels,
  waiters = waiters, done = done, tombs = tombs, hooks = hooks,
  rerouted = rerouted,
}
if not is_whole(slice, 0, 1000) then return {'BAD', '0', 'slice'} end
if not string.find(keep, KEEP_FORM) then return {'BAD', '0', 'keep'} end
local q = open_queue(queue, now_ms, events, minute, series)
q.sets = keys
local pruned = prune_all(q, keys, keep, slice)
local reaped = reap_expired(q, keys, slice)
local promoted = promote_due(q, scheduled, ready, jobs, slice) + promote_due(q, retrying, ready, jobs, slice)
if promoted + reaped > 0 then wake_one(wake) end
close_queue(q)
return {'OK', promoted, reaped, pruned}
