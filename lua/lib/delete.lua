-- forget_jobs(keys, ids, tombs, now): drop the records of jobs that stand in no set any more. A tombstone stays
-- for a while where `tombs` is given, so that a late repeat of the enqueue cannot bring the job back.
--   keys  {jobs, runs, results, history, journal, hooks}
local function forget_jobs(keys, ids, tombs, now)
  redis.call('HDEL', keys.jobs, unpack(ids))
  redis.call('HDEL', keys.runs, unpack(ids))
  redis.call('HDEL', keys.results, unpack(ids))
  redis.call('HDEL', keys.history, unpack(ids))
  if redis.call('EXISTS', keys.hooks) == 1 then redis.call('HDEL', keys.hooks, unpack(ids)) end
  if redis.call('EXISTS', keys.journal) == 1 then redis.call('HDEL', keys.journal, unpack(ids)) end
  if tombs then
    local members = {}
    for i = 1, #ids do
      members[2 * i - 1] = now
      members[2 * i] = ids[i]
    end
    redis.call('ZADD', tombs, unpack(members))
  end
end

-- prune_set(q, keys, set, keep_ms, keep_count, tomb_ms, limit): drop the oldest of a terminal set that are older
-- than keep_ms or beyond keep_count. Returns how many, at most limit.
local function prune_set(q, keys, set, keep_ms, keep_count, tomb_ms, limit)
  local over = redis.call('ZCARD', set) - keep_count
  local oldest = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')[2]
  if limit < 1 or not oldest or (over <= 0 and tonumber(oldest) > q.now - keep_ms) then return 0 end
  local ids
  if over > 0 then
    ids = redis.call('ZRANGE', set, 0, math.min(over, limit) - 1)
  else
    ids = redis.call('ZRANGE', set, '-inf', q.now - keep_ms, 'BYSCORE', 'LIMIT', 0, limit)
  end
  local young = tonumber(redis.call('ZSCORE', set, ids[#ids])) > q.now - tomb_ms
  redis.call('ZREMRANGEBYRANK', set, 0, #ids - 1)
  forget_jobs(keys, ids, young and keys.tombs, q.now)
  count_move(q, 'deleted_total', #ids)
  return #ids
end

-- prune_tombs(q, tombs, tomb_ms, limit): drop tombstones that have stood long enough.
local function prune_tombs(q, tombs, tomb_ms, limit)
  local old = redis.call('ZRANGE', tombs, '-inf', q.now - tomb_ms, 'BYSCORE', 'LIMIT', 0, limit)
  if #old > 0 then redis.call('ZREMRANGEBYRANK', tombs, 0, #old - 1) end
end

local KEEP_FORM = '^(%d+) (%d+) (%d+) (%d+) (%d+)$'

-- prune_all(q, keys, keep, limit): prune every terminal set and the tombstones, a slice each.
--   keep  '<ms> <count>' of completed and cancelled, '<ms> <count>' of dead, tombstone ms
local function prune_all(q, keys, keep, limit)
  local keep_ms, keep_count, dead_ms, dead_count, tomb_ms = string.match(keep, KEEP_FORM)
  keep_ms, keep_count, tomb_ms = tonumber(keep_ms), tonumber(keep_count), tonumber(tomb_ms)
  local pruned = prune_set(q, keys, keys.completed, keep_ms, keep_count, tomb_ms, limit)
    + prune_set(q, keys, keys.cancelled, keep_ms, keep_count, tomb_ms, limit)
    + prune_set(q, keys, keys.dead, tonumber(dead_ms), tonumber(dead_count), tomb_ms, limit)
  prune_tombs(q, keys.tombs, tomb_ms, limit)
  return pruned
end
