-- hook_key_add: make a key that webhooks are signed with, or a newer one of that name. The one before it stays good,
-- so that receivers can change theirs without haste; older ones are dropped.
--
-- KEYS
--   hook_keys   hash    name -> a line per key, the newest first: '<id> <created ms> <secret>'
-- ARGV
--   now_ms      time    empty: the server's clock
--   name        str     what webhooks call it by
--   id          str     the new key's id
--   secret      str     the new key's secret
--   most        int     how many names there may be, 1 to 1000
-- RETURNS  {'OK', lines}; {'FULL'}; {'BAD', '0', 'most'}
-- COST     O(1)
--
-- @include lib/check
-- @include lib/queue

if not is_whole(most, 1, 1000) then return {'BAD', '0', 'most'} end
local lines = redis.call('HGET', hook_keys, name)
-- A repeat of this call, after its answer was lost.
if lines and string.sub(lines, 1, #id + 1) == id .. ' ' then return {'OK', lines} end
if not lines and redis.call('HLEN', hook_keys) >= most then return {'FULL'} end
local line = id .. string.format(' %.0f ', clock(now_ms)) .. secret
lines = lines and line .. '\n' .. string.match(lines, '^[^\n]*') or line
redis.call('HSET', hook_keys, name, lines)
return {'OK', lines}
