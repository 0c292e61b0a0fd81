-- token_find: what is kept of a token, and whether a session of it was ended. Notes the use, once a minute.
--
-- KEYS
--   tokens      hash    token id -> '<created ms> <expires ms, 0: never> <JSON>'
--   token_uses  hash    token id -> when it was last used, ms
--   logouts     zset    session -> when it would have expired, ms
-- ARGV
--   now_ms      time    empty: the server's clock
--   id          str     the token's id
--   session     str     a session of it, '' for none
-- RETURNS  {now_us, line or '', whether the session was ended: 1 or 0}
-- COST     O(1)
-- FLAGS    allow-oom
--
-- @include lib/queue

local now = clock(now_ms)
local line = redis.call('HGET', tokens, id) or ''
local ended = session ~= '' and redis.call('ZSCORE', logouts, session)
if line ~= '' and now - tonumber(redis.call('HGET', token_uses, id) or 0) >= 60000 then
  redis.call('HSET', token_uses, id, string.format('%.0f', now))
end
return {math.floor(now * 1000), line, ended and 1 or 0}
