-- recall: a page of the ids whose enqueue may be repeated (lib/remember.lua), the soonest to be forgotten first.
--
-- KEYS
--   remembered  zset    id whose enqueue may be repeated -> until when, ms
-- ARGV
--   start       int     how many to leave out
--   limit       int     most ids, 1 to 1000
-- RETURNS  {id, ...}
-- COST     O(log N + M), M <= limit
-- FLAGS    no-writes
--
-- @include lib/check

if not is_whole(start, 0, 1e9) or not is_whole(limit, 1, 1000) then return {'BAD', '0', 'page'} end
return redis.call('ZRANGE', remembered, start, start + limit - 1)
