-- hook_set: say which webhooks all jobs of a queue have, where nobody else has said so meanwhile.
--
-- KEYS
--   queue       hash    the queue's own record
-- ARGV
--   known       str     what the caller has read: lines as lib/hooks.lua has them
--   wanted      str     what to write; empty: none
-- RETURNS  {'OK'}; {'CHANGED'}: they are not as known any more, and nothing was written
-- COST     O(1)

local is = redis.call('HGET', queue, 'hooks') or ''
if is == wanted then return {'OK'} end
if is ~= known then return {'CHANGED'} end
if wanted == '' then
  redis.call('HDEL', queue, 'hooks')
else
  redis.call('HSET', queue, 'hooks', wanted)
end
return {'OK'}
