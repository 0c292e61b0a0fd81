-- token_list: all tokens.
--
-- KEYS
--   tokens      hash    token id -> '<created ms> <expires ms, 0: never> <JSON>'
--   token_uses  hash    token id -> when it was last used, ms
-- ARGV
--   now_ms      time    empty: the server's clock
-- RETURNS  {now_us, {id, line, last use or '', ...}}; at most 1000
-- COST     O(N), N <= 1000
-- FLAGS    no-writes
--
-- @include lib/queue

local ids = redis.call('HKEYS', tokens)
local rows = {}
for i = 1, math.min(#ids, 1000) do
  rows[#rows + 1] = ids[i]
  rows[#rows + 1] = redis.call('HGET', tokens, ids[i])
  rows[#rows + 1] = redis.call('HGET', token_uses, ids[i]) or ''
end
return {math.floor(clock(now_ms) * 1000), rows}
