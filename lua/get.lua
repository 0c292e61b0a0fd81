-- get: all that is known of some jobs.
--
-- KEYS
--   jobs        hash    job id -> spec
--   runs        hash    job id -> run record
--   results     hash    job id -> result, JSON
--   history     hash    job id -> one line per run that did not complete
--   cancels     hash    running job asked to cancel -> when, ms
--   ready       prefix  the ready sets, one per priority
--   blocked     zset    job id -> enqueue time, ms
--   scheduled   zset    job id -> due time, ms
--   retrying    zset    job id -> due time, ms
--   running     zset    job id -> lease deadline, ms
--   completed   zset    job id -> time of the move, ms
--   dead        zset    job id -> time of the move, ms
--   cancelled   zset    job id -> time of the move, ms
-- ARGV
--   ids         list    job ids, at most 1000
-- RETURNS  per id: {state, score, spec, run, history, result, cancel mark}, or false for a job that is not there
-- COST     O(M log N) for M ids
-- FLAGS    no-writes
--
-- @include lib/spec
-- @include lib/find

local keys = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local reply = {}
for i = ids, math.min(#ARGV, ids + 999) do
  local id = ARGV[i]
  local spec = redis.call('HGET', jobs, id)
  local state, score
  if spec then state, score = find_job(keys, id, spec) end
  if state then
    reply[#reply + 1] = {
      state, score, spec, redis.call('HGET', runs, id) or '', redis.call('HGET', history, id) or '',
      redis.call('HGET', results, id) or '', redis.call('HGET', cancels, id) or '',
    }
  else
    reply[#reply + 1] = false
  end
end
return reply
