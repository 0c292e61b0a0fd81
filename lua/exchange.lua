-- exchange: a worker hands in outcomes and takes new claims, in one call.
--
-- Due jobs are promoted and expired leases reaped on the way, a slice each, so jobs move with no other process.
-- A repeat of the nonce is answered with the first answer: outcomes are not settled twice, the same claims are
-- given again as long as they are still this worker's. A repeat of a call that did nothing is a new one. A call whose nonce is below the last one came late: it
-- claims nothing.
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
--   memo        string  this worker's last exchange
--   rerouted    list    jobs taken back from dead workers, the newest 1,000
--   wake        list    at most one token: a waiting worker takes it
--   events      list    what was noted while somebody listened, the newest 10,000
--   minute      hash    figures of the present minute
--   series      prefix  lists of figures: of minutes, ten minutes, two hours
-- ARGV
--   now_ms      time    empty: the server's clock
--   worker      str     who claims
--   nonce       str     names this call: a number that rises from call to call of one memo
--   lease_ms    num     how long a claim lasts unless extended
--   limit       int     most jobs to claim, 0 to 1000
--   slice       int     most jobs to promote, to reap and to prune in this call
--   tidy        int     1: prune also when no outcome is handed in
--   keep        str     retention: '<ms> <count>' of completed and cancelled, '<ms> <count>' of dead, tombstone ms
--   took        str     how long runs took: '<runs> <µs> <µs> ...', some of them standing for all; '' not measured
--   n_complete  int     how many of the outcomes are completions
--   outcomes    list    per completion: id, token, result ('' for none); then per other outcome:
--                       kind (retry bury snooze cancel release), id, token, delay_ms, detail (JSON)
-- RETURNS  {'OK', now_us, next_us, first_token, {stale id, ...}, {place, '<attempt> <delivery> <lost>', ...},
--          {id, spec, ...}}. next_us: until something is due, -1 for nothing. A stale outcome's token was old:
--          nothing changed. The claim at place i (from 0) has token first_token + i; counts only where not 1 1 0.
-- COST     O(M log N) for M outcomes, claims and slices
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
-- @include lib/settle
-- @include lib/claim

local n_outcomes = n_complete + (#ARGV - outcomes + 1 - 3 * n_complete) / 5
if not is_whole(n_outcomes, 0, 1000) then return {'BAD', '0', 'batch'} end
if not is_whole(limit, 0, 1000) then return {'BAD', '0', 'limit'} end
if not is_whole(slice, 0, 1000) then return {'BAD', '0', 'slice'} end
if not is_duration(lease_ms) then return {'BAD', '0', 'lease_ms'} end
if not string.find(keep, KEEP_FORM) then return {'BAD', '0', 'keep'} end
if not string.find(took, '^[%d ]*$') then return {'BAD', '0', 'took'} end
local keys = {
  jobs = jobs, runs = runs, results = results, history = history, journal = journal, ready = ready,
  scheduled = scheduled,  retrying = retrying, running = running, completed = completed, dead = dead, cancelled = cancelled,
  unique = unique, cancels = cancels, waiters = waiters, done = done, tombs = tombs, hooks = hooks,
  rerouted = rerouted,
}
local q = open_queue(queue, now_ms, events, minute, series)
q.sets = keys
local last = redis.call('GET', memo)
if last and string.sub(last, 1, #nonce + 1) == nonce .. ' ' and (n_outcomes > 0 or string.find(last, '\n[^\n]')) then
  return repeat_exchange(q, keys, last)
end
-- A call that was late on its way: its worker has asked again since, and nobody would run what it claimed.
local late = last and (tonumber(nonce) or 0) < (tonumber(string.match(last, '^%S+')) or 0)
if late then limit = 0 end

local stale = {}
settle_completed(q, keys, outcomes, n_complete, stale, took ~= '')
tally_runs(q, took)
local came_back = settle_others(q, keys, outcomes + 3 * n_complete, stale)
-- What ends in one call can be pruned in one call, so retention keeps up with any rate.
if n_outcomes > 0 or tidy == 1 then prune_all(q, keys, keep, math.min(1000, slice + n_outcomes)) end
local moved = reap_expired(q, keys, slice) + promote_due(q, scheduled, ready, jobs, slice)
  + promote_due(q, retrying, ready, jobs, slice)

local claims, earlier = {}, {}
local first_token = q.token + 1
if limit > 0 and not q.paused then claim_ready(q, keys, worker, lease_ms, limit, claims, earlier) end
if came_back > 0 then
  -- A job came back, now or for later: somebody must know, and this worker may be full or leaving.
  wake_one(wake)
elseif moved + q.called > 0 or (limit > 0 and #claims == 2 * limit) then
  wake_for_rest(ready, wake)
end
if not late then redis.call('SET', memo, memo_of(nonce, first_token, stale, claims), 'PX', 600000) end
close_queue(q)
return exchange_reply(q, keys, first_token, stale, claims, earlier)
