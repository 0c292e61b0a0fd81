-- journal: what a job reported of itself.
--
-- KEYS
--   journal     hash    job id -> what it reported (lib/journal.lua)
-- ARGV
--   id          str     the job
-- RETURNS  {'OK', its journal or ''}
-- COST     O(1)
-- FLAGS    no-writes

return {'OK', redis.call('HGET', journal, id) or ''}
