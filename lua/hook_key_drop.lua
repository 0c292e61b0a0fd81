-- hook_key_drop: forget a key that webhooks are signed with.
--
-- KEYS
--   hook_keys   hash    name -> a line per key, the newest first: '<id> <created ms> <secret>'
-- ARGV
--   name        str     whose
--   id          str     which; empty: all of that name
-- RETURNS  {'OK', how many were dropped}
-- COST     O(1)
-- FLAGS    allow-oom

local lines = redis.call('HGET', hook_keys, name)
if not lines then return {'OK', 0} end
local kept, dropped = {}, 0
for line in string.gmatch(lines, '[^\n]+') do
  if id == '' or string.sub(line, 1, #id + 1) == id .. ' ' then
    dropped = dropped + 1
  else
    kept[#kept + 1] = line
  end
end
if #kept > 0 then
  redis.call('HSET', hook_keys, name, table.concat(kept, '\n'))
else
  redis.call('HDEL', hook_keys, name)
end
return {'OK', dropped}
