-- order: tell a worker to do something: its heartbeat listens.
--
-- KEYS
--   control     prefix  lists of orders, one per worker
-- ARGV
--   worker      str     who
--   text        str     the order: 'concurrency <n>', 'drain', 'resume', 'stop'
-- RETURNS  {'OK'}
-- COST     O(1)
-- FLAGS    allow-oom

redis.call('RPUSH', control .. worker, text)
redis.call('PEXPIRE', control .. worker, 60000)
return {'OK'}
