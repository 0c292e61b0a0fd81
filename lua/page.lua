-- page: ids of one sorted set, newest or oldest first, from a cursor on.
--
-- KEYS
--   set         zset    a state's set
-- ARGV
--   limit       int     most ids, 1 to 1000
--   newest      int     1: highest score first
--   after_id    str     the last id of the page before, '' for the first page
--   after_score str     its score, for when it has left the set meanwhile
-- RETURNS  {id, score, ...}
-- COST     O(log N + M), M <= limit
-- FLAGS    no-writes

local from = 0
if after_id ~= '' then
  local rank = redis.call(newest == 1 and 'ZREVRANK' or 'ZRANK', set, after_id)
  if rank then
    from = rank + 1
  elseif newest == 1 then
    from = redis.call('ZCOUNT', set, after_score, '+inf')
  else
    from = redis.call('ZCOUNT', set, '-inf', after_score)
  end
end
local to = from + math.max(1, math.min(limit, 1000)) - 1
if newest == 1 then return redis.call('ZRANGE', set, from, to, 'REV', 'WITHSCORES') end
return redis.call('ZRANGE', set, from, to, 'WITHSCORES')
