-- push_scheduled(q, scheduled, due_ms, id), push_retrying(q, retrying, due_ms, id): the one way into each of the two
-- sets of jobs that are due later.
local function push_scheduled(q, scheduled, due_ms, id)
  note(q, 'scheduled', {id}, 1)
  redis.call('ZADD', scheduled, due_ms, id)
end

local function push_retrying(q, retrying, due_ms, id)
  note(q, 'retrying', {id}, 1)
  redis.call('ZADD', retrying, due_ms, id)
end

-- earliest(key) -> score of the lowest member, or nil
local function earliest(key)
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  return first[2] and tonumber(first[2])
end
