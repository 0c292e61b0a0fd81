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

-- comes_before(a, b): by bytes, as sorted sets order equal scores; Lua's own `<` follows the server's locale.
local function comes_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- rank_after() -> rank, oldest first, at which a member that is gone would stand: among equal scores by halving.
local function rank_after()
  local low = redis.call('ZCOUNT', set, '-inf', '(' .. after_score)
  local high = redis.call('ZCOUNT', set, '-inf', after_score)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if comes_before(redis.call('ZRANGE', set, middle, middle)[1], after_id) then
      low = middle + 1
    else
      high = middle
    end
  end
  return low
end

local from = 0
if after_id ~= '' then
  local rank = redis.call(newest == 1 and 'ZREVRANK' or 'ZRANK', set, after_id)
  if rank then
    from = rank + 1
  elseif newest == 1 then
    from = redis.call('ZCARD', set) - rank_after()
  else
    from = rank_after()
  end
end
local to = from + math.max(1, math.min(limit, 1000)) - 1
if newest == 1 then return redis.call('ZRANGE', set, from, to, 'REV', 'WITHSCORES') end
return redis.call('ZRANGE', set, from, to, 'WITHSCORES')
