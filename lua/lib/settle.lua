-- tally_claims(q, records, seen, ids, n): how long the runs of the ids that are `seen` took, from claim to outcome.
local function tally_claims(q, records, seen, ids, n)
  local told = {}
  for i = 1, n do
    local started = seen[ids[i]] and not told[ids[i]] and string.match(records[i], '^%d+ %d+ %d+ %d+ (%d+)')
    if started then
      told[ids[i]] = true
      tally(q, 'r', q.now - tonumber(started), 1)
    end
  end
end

-- settle_completed(q, keys, at, n, stale, measured): complete n claims; their outcomes stand in ARGV from place `at`.
-- measured: whether the caller tells itself how long the runs took.
-- A claim is the caller's while the job is running and the token is the newest. A completion that was settled
-- before by the same token counts as settled; any other that is not the caller's goes into `stale`.
local function settle_completed(q, keys, at, n, stale, measured)
  if n == 0 then return end
  local ids = {}
  for i = 1, n do ids[i] = ARGV[at + 3 * (i - 1)] end
  local records = redis.call('HMGET', keys.runs, unpack(ids))
  local leases = redis.call('ZMSCORE', keys.running, unpack(ids))
  local done, n_done, seen = {}, 0, {}
  local kept = {}
  for i = 1, n do
    local id, token, result = ids[i], ARGV[at + 3 * i - 2], ARGV[at + 3 * i - 1]
    local mine = holds_token(records[i], token)
    if mine and leases[i] and not seen[id] then
      seen[id] = true
      n_done = n_done + 1
      done[n_done] = id
      if result ~= '' then
        kept[#kept + 1] = id
        kept[#kept + 1] = result
      end
    elseif not (mine and (seen[id] or redis.call('ZSCORE', keys.completed, id))) then
      stale[#stale + 1] = id
    end
  end
  if n_done == 0 then return end
  if not measured and n_done <= 4 then tally_claims(q, records, seen, ids, n) end
  redis.call('ZREM', keys.running, unpack(done))
  if #kept > 0 then redis.call('HSET', keys.results, unpack(kept)) end
  if redis.call('HLEN', keys.cancels) > 0 then redis.call('HDEL', keys.cancels, unpack(done)) end
  push_completed(q, keys, done, n_done)
end

-- settle_other(q, keys, id, kind, delay_ms, detail): move one running job, known to be the caller's, to where its
-- outcome says. A job that was asked to cancel does not come back.
local function settle_other(q, keys, id, kind, delay_ms, detail)
  local run = read_run(redis.call('HGET', keys.runs, id))
  local asked = redis.call('HDEL', keys.cancels, id) == 1
  if asked and kind ~= 'bury' then kind = 'cancel' end
  add_history(keys.history, id, run, kind, q.now, detail)
  redis.call('ZREM', keys.running, id)
  if kind == 'snooze' or kind == 'release' then
    if run.attempt > 0 then run.attempt = run.attempt - 1 end
    redis.call('HSET', keys.runs, id, write_run(run))
  end
  if kind == 'retry' then
    count_move(q, 'retried_total', 1)
    push_retrying(q, keys.retrying, q.now + delay_ms, id)
  elseif kind == 'bury' then
    push_dead(q, keys, {id}, 1)
  elseif kind == 'cancel' then
    push_cancelled(q, keys, {id}, 1)
  elseif delay_ms > 0 then
    push_scheduled(q, keys.scheduled, q.now + delay_ms, id)
  else
    push_ready(q, keys.ready, {id}, {redis.call('HGET', keys.jobs, id)}, 1)
  end
end

local KINDS = {retry = true, bury = true, snooze = true, cancel = true, release = true}

-- settle_others(q, keys, at, stale): settle the outcomes that are not completions, from place `at` of ARGV on.
-- Returns how many were settled.
local function settle_others(q, keys, at, stale)
  local settled = 0
  for i = at, #ARGV, 5 do
    local kind, id, token = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local delay_ms = tonumber(ARGV[i + 3])
    local mine = holds_token(redis.call('HGET', keys.runs, id), token)
      and redis.call('ZSCORE', keys.running, id) and redis.call('HEXISTS', keys.jobs, id) == 1
    if mine and KINDS[kind] and delay_ms and delay_ms >= 0 and delay_ms < 9e15 then
      settle_other(q, keys, id, kind, delay_ms, ARGV[i + 4])
      settled = settled + 1
    else
      stale[#stale + 1] = id
    end
  end
  return settled
end
