-- hook_key_list: keys that webhooks are signed with: of one name, or all.
--
-- KEYS
--   hook_keys   hash    name -> a line per key, the newest first: '<id> <created ms> <secret>'
-- ARGV
--   name        str     whose; empty: all, at most 1000
-- RETURNS  {'OK', name, lines, ...}
-- COST     O(N), N <= 1000
-- FLAGS    no-writes

local names = name ~= '' and {name} or redis.call('HKEYS', hook_keys)
local reply = {'OK'}
for i = 1, math.min(#names, 1000) do
  local lines = redis.call('HGET', hook_keys, names[i])
  if lines then
    reply[#reply + 1] = names[i]
    reply[#reply + 1] = lines
  end
end
return reply
