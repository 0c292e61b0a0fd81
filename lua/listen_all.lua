-- listen_all: somebody listens to every queue: new ones are to be listened to from their first job on.
--
-- KEYS
--   listened    string  until when somebody listens, ms
-- ARGV
--   now_ms      time    empty: the server's clock
--   ttl_ms      num     how long from now
-- RETURNS  {'OK'}; {'BAD', '0', 'ttl_ms'}
-- COST     O(1)
-- FLAGS    allow-oom
--
-- @include lib/check
-- @include lib/queue

if not is_duration(ttl_ms) then return {'BAD', '0', 'ttl_ms'} end
redis.call('SET', listened, math.floor(clock(now_ms) + ttl_ms))
return {'OK'}
