-- Pages of a sorted set.

-- comes_before(a, b): by bytes, as sorted sets order equal scores; Lua's own `<` follows the server's locale.
local function comes_before(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = string.byte(a, i), string.byte(b, i)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- rank_after(set, after_id, after_score) -> rank, oldest first, at which a member that is gone would stand: among equal
-- scores by halving.
local function rank_after(set, after_id, after_score)
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

-- ranks(set, limit, newest, after_id, after_score) -> the ranks of a page's first and last member
local function ranks(set, limit, newest, after_id, after_score)
  local from = 0
  if after_id ~= '' then
    local rank = redis.call(newest == 1 and 'ZREVRANK' or 'ZRANK', set, after_id)
    if rank then
      from = rank + 1
    elseif newest == 1 then
      from = redis.call('ZCARD', set) - rank_after(set, after_id, after_score)
    else
      from = rank_after(set, after_id, after_score)
    end
  end
  return from, from + math.max(1, math.min(limit, 1000)) - 1
end
