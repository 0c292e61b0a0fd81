-- forget: ids of enqueues that will not be repeated any more (lib/remember.lua).
--
-- KEYS
--   queue       hash    the queue's own record
--   remembered  zset    id whose enqueue may be repeated -> until when, ms
-- ARGV
--   now_ms      time    empty: the server's clock
--   keep_ms     num     recognise them for so long from now; 0: no longer
--   ids         list    at most 1,000
-- RETURNS  {'OK'}
-- COST     O(M log N), M ids
-- FLAGS    allow-oom
--
-- @include lib/check
-- @include lib/queue

if not is_duration(keep_ms) then return {'BAD', '0', 'keep_ms'} end
local count = #ARGV - ids + 1
if not is_whole(count, 1, 1000) then return {'BAD', '0', 'ids'} end
if keep_ms == 0 then
  redis.call('ZREM', remembered, unpack(ARGV, ids))
else
  local members, until_ms = {}, clock(now_ms) + keep_ms
  for i = 0, count - 1 do
    members[2 * i + 1] = until_ms
    members[2 * i + 2] = ARGV[ids + i]
  end
  redis.call('ZADD', remembered, 'XX', unpack(members))
end
return {'OK'}
