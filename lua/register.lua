-- register: note a queue and handlers, so that others know of them; forget workers that are long gone.
--
-- KEYS
--   queues      zset    queue -> when it was first seen, ms
--   handlers    hash    handler name -> what is known of it, JSON
--   workers     zset    worker -> until when it counts as alive, ms
--   worker_info hash    worker -> what it told of itself, JSON
--   listened    string  until when somebody listens to every queue, ms
-- ARGV
--   now_ms      time    empty: the server's clock
--   queue       str     a queue, '' for none
--   entries     list    per handler: name, JSON
-- RETURNS  {'OK', ms for which somebody listens to every queue, 0: nobody}
-- COST     O(M + log N)
--
-- @include lib/queue

local now = clock(now_ms)
if queue ~= '' then redis.call('ZADD', queues, 'NX', now, queue) end
for i = entries, #ARGV, 2 do redis.call('HSET', handlers, ARGV[i], ARGV[i + 1]) end
local gone = redis.call('ZRANGE', workers, '-inf', now - 86400000, 'BYSCORE', 'LIMIT', 0, 100)
if #gone > 0 then
  redis.call('ZREM', workers, unpack(gone))
  redis.call('HDEL', worker_info, unpack(gone))
end
return {'OK', math.max(0, math.floor((redis.call('GET', listened) or 0) - now))}
