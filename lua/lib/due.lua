-- promote_due(q, from, ready, jobs, limit): move the due jobs of one set to the ready sets.
-- Returns how many. Ids without a spec (only damage from outside makes them) are left for the doctor's eyes:
-- they are dropped from the set, as nothing can be run.
local function promote_due(q, from, ready, jobs, limit)
  local found = redis.call('ZRANGE', from, '-inf', q.now, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
  if #found == 0 then return 0 end
  local ids = {}
  for i = 1, #found, 2 do
    ids[#ids + 1] = found[i]
    q.due[found[i]] = tonumber(found[i + 1])
  end
  local specs = redis.call('HMGET', jobs, unpack(ids))
  local live, live_specs, n = {}, {}, 0
  for i = 1, #ids do
    if specs[i] then
      n = n + 1
      live[n], live_specs[n] = ids[i], specs[i]
    end
  end
  redis.call('ZREM', from, unpack(ids))
  push_ready(q, ready, live, live_specs, n)
  return n
end
