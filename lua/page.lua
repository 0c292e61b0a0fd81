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
--
-- @include lib/page

local from, to = ranks(set, limit, newest, after_id, after_score)
if newest == 1 then return redis.call('ZRANGE', set, from, to, 'REV', 'WITHSCORES') end
return redis.call('ZRANGE', set, from, to, 'WITHSCORES')
