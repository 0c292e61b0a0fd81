-- hook_list: the webhooks that all jobs of a queue have.
--
-- KEYS
--   queue       hash    the queue's own record
-- RETURNS  {'OK', lines as lib/hooks.lua has them}
-- COST     O(1)
-- FLAGS    no-writes

return {'OK', redis.call('HGET', queue, 'hooks') or ''}
