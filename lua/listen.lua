-- listen: have the moves of a queue noted for some time, so that they can be followed.
--
-- Where nobody had listened before, what came meanwhile is missing: a number is left out, so that who asks for what
-- came after an earlier one learns of it. Of a queue that never was, nothing is missing.
--
-- KEYS
--   queue       hash    the queue's own record
--   events      list    what was noted while somebody listened, the newest 10,000
-- ARGV
--   now_ms      time    empty: the server's clock
--   ttl_ms      num     how long from now
-- RETURNS  {'OK', number of the newest event}
-- COST     O(1)
-- FLAGS    allow-oom
--
-- @include lib/check
-- @include lib/queue

if not is_duration(ttl_ms) then return {'BAD', '0', 'ttl_ms'} end
local q = open_queue(queue, now_ms, events)
if not q.notes then
  redis.call('DEL', events)
  redis.call('HINCRBY', queue, 'noted', redis.call('EXISTS', queue))
end
redis.call('HSET', queue, 'listen_ms', q.now + ttl_ms)
close_queue(q)
return {'OK', tonumber(redis.call('HGET', queue, 'noted'))}
