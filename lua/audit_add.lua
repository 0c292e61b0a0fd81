-- audit_add: note calls that changed something; the oldest notes beyond a number are dropped.
-- A note begins with a text of its own, so a repeat of this call adds nothing.
--
-- KEYS
--   audit       zset    note of a call on jobs -> when, ms
--   audit_admin zset    note of a call with the scope admin, or of a login -> when, ms
-- ARGV
--   now_ms      time    empty: the server's clock
--   most        int     how many notes of each sort are kept, 1 to 1000000
--   entries     list    per note: 'admin' or 'write', the note
-- RETURNS  {'OK'}; {'BAD', '0', 'most'}
-- COST     O(M log N), M <= 500 notes
-- FLAGS    allow-oom
--
-- @include lib/check
-- @include lib/queue

if not is_whole(most, 1, 1000000) then return {'BAD', '0', 'most'} end
local now = clock(now_ms)
for i = entries, #ARGV, 2 do
  -- A µs apart: notes of one call keep their order.
  local at = now + (i - entries) / 2000
  if ARGV[i] == 'admin' then
    redis.call('ZADD', audit_admin, 'NX', at, ARGV[i + 1])
  else
    redis.call('ZADD', audit, 'NX', at, ARGV[i + 1])
  end
end
redis.call('ZREMRANGEBYRANK', audit, 0, -most - 1)
redis.call('ZREMRANGEBYRANK', audit_admin, 0, -most - 1)
return {'OK'}
