-- Some names of the list, by place from 0.
--
-- KEYS
--   names  list
-- ARGV
--   first  int
--   last   int
-- FLAGS no-writes

return redis.call('LRANGE', names, first, last)
