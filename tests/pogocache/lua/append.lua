-- Appends a name to a list and tells how many there are now. Not idempotent: done twice, it shows.
--
-- KEYS
--   names  list
-- ARGV
--   name  str

return redis.call('RPUSH', names, name)
