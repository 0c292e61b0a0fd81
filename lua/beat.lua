-- beat: a worker says that it lives, and what it is doing.
--
-- KEYS
--   workers     zset    worker -> until when it counts as alive, ms
--   worker_info hash    worker -> what it told of itself, JSON
-- ARGV
--   now_ms      time    empty: the server's clock
--   worker      str     who
--   ttl_ms      num     how long it counts as alive from now; 0: it leaves
--   info        str     what it tells of itself, JSON
-- RETURNS  {'OK', now_us}
-- COST     O(log N)
-- FLAGS    allow-oom
--
-- @include lib/queue

if ttl_ms == 0 then
  redis.call('ZREM', workers, worker)
  redis.call('HDEL', worker_info, worker)
  return {'OK', 0}
end
local now = clock(now_ms)
redis.call('ZADD', workers, now + ttl_ms, worker)
redis.call('HSET', worker_info, worker, info)
return {'OK', math.floor(now * 1000)}
