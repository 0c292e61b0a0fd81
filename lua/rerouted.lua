-- rerouted: jobs that were taken back from workers whose leases ran out, the newest last.
--
-- KEYS
--   rerouted    list    `<when, ms> <job id> <ready, dead or cancelled> <worker>`, the newest 1,000
-- ARGV
--   limit       int     most of them, 1 to 1000
--   worker      str     only those of this worker; '' any
-- RETURNS  {line, ...}
-- COST     O(N), N <= 1000
-- FLAGS    no-writes
--
-- @include lib/check

if not is_whole(limit, 1, 1000) then return {'BAD', '0', 'limit'} end
local lines = redis.call('LRANGE', rerouted, -1000, -1)
local found = {}
for i = #lines, 1, -1 do
  if worker == '' or string.match(lines[i], '^%S+ %S+ %S+ (.*)$') == worker then
    table.insert(found, 1, lines[i])
    if #found == limit then break end
  end
end
return found
