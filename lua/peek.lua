-- peek: the cheapest look at a queue, for idle workers: is anything ready, and when does the first lease end?
--
-- KEYS
--   running     zset    job id -> lease deadline, ms
--   ready       prefix  the ready sets, one per priority
-- RETURNS  {1 when a job is ready else 0, the first lease's deadline in ms or ''}
-- COST     O(1)
-- FLAGS    no-writes

local sets = {}
for p = 0, 9 do sets[p + 1] = ready .. p end
local some = redis.call('EXISTS', unpack(sets))
return {some > 0 and 1 or 0, redis.call('ZRANGE', running, 0, 0, 'WITHSCORES')[2] or ''}
