-- reap_expired(q, keys, limit): take back the jobs whose lease has run out. Returns how many.
--   A job asked to cancel is cancelled; one whose workers died more often than it allows is buried as
--   worker_lost; every other is ready again, its attempt not counted.
--   keys  {jobs, runs, history, hooks, ready, running, dead, cancelled, cancels, unique, waiters, done, rerouted}
local function reap_expired(q, keys, limit)
  local ids = redis.call('ZRANGE', keys.running, '-inf', q.now, 'BYSCORE', 'LIMIT', 0, limit)
  if #ids == 0 then return 0 end
  local specs = redis.call('HMGET', keys.jobs, unpack(ids))
  local records = redis.call('HMGET', keys.runs, unpack(ids))
  local marks = redis.call('HMGET', keys.cancels, unpack(ids))
  local back, back_specs, n_back = {}, {}, 0
  local lost, n_lost, cancelled, n_cancelled = {}, 0, {}, 0
  local lines, at = {}, string.format('%.0f ', q.now)
  redis.call('ZREM', keys.running, unpack(ids))
  for i = 1, #ids do
    local id, spec = ids[i], specs[i]
    if spec then
      local run = read_run(records[i])
      run.lost = run.lost + 1
      add_history(keys.history, id, run, 'lost', q.now, '{"type":"WorkerLost","message":"the lease ran out"}')
      if run.attempt > 0 then run.attempt = run.attempt - 1 end
      redis.call('HSET', keys.runs, id, write_run(run))
      local became = 'ready'
      if marks[i] then
        became = 'cancelled'
        redis.call('HDEL', keys.cancels, id)
        n_cancelled = n_cancelled + 1
        cancelled[n_cancelled] = id
      elseif run.lost > spec_max_lost(spec) then
        became = 'dead'
        n_lost = n_lost + 1
        lost[n_lost] = id
      else
        n_back = n_back + 1
        back[n_back], back_specs[n_back] = id, spec
      end
      lines[#lines + 1] = at .. id .. ' ' .. became .. ' ' .. run.worker
    end
  end
  if #lines > 0 then
    redis.call('RPUSH', keys.rerouted, unpack(lines))
    redis.call('LTRIM', keys.rerouted, -1000, -1)
  end
  if n_back > 0 then push_ready(q, keys.ready, back, back_specs, n_back) end
  if n_lost > 0 then push_dead(q, keys, lost, n_lost) end
  if n_cancelled > 0 then push_cancelled(q, keys, cancelled, n_cancelled) end
  count_move(q, 'lost_total', #ids)
  return #ids
end
