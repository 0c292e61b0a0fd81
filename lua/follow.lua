-- follow: the events noted after a known one.
--
-- KEYS
--   queue       hash    the queue's own record
--   events      list    what was noted while somebody listened, the newest 10,000
-- ARGV
--   after       int     number of the last event that is known
--   limit       int     most events, 1 to 1000
-- RETURNS  {number of the first event returned, event, ...}. A first number above after + 1: those between are gone.
-- COST     O(M), M <= limit
-- FLAGS    no-writes
--
-- @include lib/check

if not is_whole(limit, 1, 1000) then return {'BAD', '0', 'limit'} end
local newest = tonumber(redis.call('HGET', queue, 'noted') or 0)
local oldest = newest - redis.call('LLEN', events) + 1
local first = math.max(after + 1, oldest)
local reply = redis.call('LRANGE', events, first - oldest, first - oldest + limit - 1)
table.insert(reply, 1, first)
return reply
