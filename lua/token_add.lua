-- token_add: take in a bearer token. Only its digest is kept, inside `about`.
--
-- KEYS
--   tokens      hash    token id -> '<created ms> <expires ms, 0: never> <JSON>'
-- ARGV
--   now_ms      time    empty: the server's clock
--   id          str     the token's id: the begin of its digest
--   ttl_ms      num     how long it is good for; 0: for ever
--   most        int     how many tokens there may be, 1 to 1000
--   about       str     what is known of it, JSON
-- RETURNS  {'OK', line}; {'TAKEN'}: another token has that id; {'FULL'}; {'BAD', '0', what}
-- COST     O(1)
--
-- @include lib/check
-- @include lib/queue

if not is_duration(ttl_ms) then return {'BAD', '0', 'ttl'} end
if not is_whole(most, 1, 1000) then return {'BAD', '0', 'most'} end
local line = redis.call('HGET', tokens, id)
if line then
  -- A repeat of this call, after its answer was lost.
  if string.sub(line, -#about) == about then return {'OK', line} end
  return {'TAKEN'}
end
if redis.call('HLEN', tokens) >= most then return {'FULL'} end
local now = clock(now_ms)
local expires = ttl_ms > 0 and now + ttl_ms or 0
line = string.format('%.0f %.0f ', now, expires) .. about
redis.call('HSET', tokens, id, line)
return {'OK', line}
