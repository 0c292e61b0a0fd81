-- token_logout: end a session before its time; forget those whose time is over.
--
-- KEYS
--   logouts     zset    session -> when it would have expired, ms
-- ARGV
--   now_ms      time    empty: the server's clock
--   session     str     which
--   expires_ms  num     when it would have expired, ms
-- RETURNS  {'OK'}; {'BAD', '0', 'expires'}
-- COST     O(log N + M), M <= 100; at most 10000 are kept
-- FLAGS    allow-oom
--
-- @include lib/check
-- @include lib/queue

if not is_duration(expires_ms) then return {'BAD', '0', 'expires'} end
local over = redis.call('ZRANGE', logouts, '-inf', clock(now_ms), 'BYSCORE', 'LIMIT', 0, 100)
if #over > 0 then redis.call('ZREM', logouts, unpack(over)) end
redis.call('ZADD', logouts, expires_ms, session)
redis.call('ZREMRANGEBYRANK', logouts, 0, -10001)
return {'OK'}
