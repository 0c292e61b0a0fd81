-- directory: the queues, the workers and the handlers that are known.
--
-- KEYS
--   queues      zset    queue -> when it was first seen, ms
--   workers     zset    worker -> until when it counts as alive, ms
--   worker_info hash    worker -> what it told of itself, JSON
--   handlers    hash    handler name -> what is known of it, JSON
-- ARGV
--   now_ms      time    empty: the server's clock
-- RETURNS  {now_us, {queue, ...}, {worker, alive until, JSON, ...}, {handler, JSON, ...}}; at most 1000 of each
-- COST     O(N), N <= 1000
-- FLAGS    no-writes
--
-- @include lib/queue

local now = clock(now_ms)
local members = redis.call('ZRANGE', workers, 0, 999, 'REV', 'WITHSCORES')
local known = {}
for i = 1, #members, 2 do
  known[#known + 1] = members[i]
  known[#known + 1] = members[i + 1]
  known[#known + 1] = redis.call('HGET', worker_info, members[i]) or '{}'
end
return {math.floor(now * 1000), redis.call('ZRANGE', queues, 0, 999), known, redis.call('HGETALL', handlers)}
