-- The ids of enqueues that may be repeated late, by a door that cannot know when its own caller will repeat: a message
-- broker delivers again whatever was not acknowledged, be it after a week. `remembered` holds each id until the time
-- that is its score, whatever becomes of the job.

local MOST_REMEMBERED = 200000

-- remember_ids(q, remembered, ids, n, ms): recognise these ids for ms from now. What is over is dropped on the way, a
-- slice at a time, and the soonest to go where there are too many.
local function remember_ids(q, remembered, ids, n, ms)
  local members, until_ms = {}, q.now + ms
  for i = 1, n do
    members[2 * i - 1] = until_ms
    members[2 * i] = ids[i]
  end
  if n > 0 then redis.call('ZADD', remembered, unpack(members)) end
  local over = math.min(redis.call('ZCARD', remembered) - MOST_REMEMBERED, 1000)
  if over > 0 then redis.call('ZREMRANGEBYRANK', remembered, 0, over - 1) end
  local old = redis.call('ZRANGE', remembered, '-inf', q.now, 'BYSCORE', 'LIMIT', 0, 500)
  if #old > 0 then redis.call('ZREMRANGEBYRANK', remembered, 0, #old - 1) end
end
