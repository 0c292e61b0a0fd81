-- pause: stop handing out a queue's jobs, or go on. Running jobs are not touched; enqueueing stays open.
--
-- KEYS
--   queue       hash    the queue's own record
--   wake        list    at most one token: a waiting worker takes it
--   events      list    what was noted while somebody listened, the newest 10,000
-- ARGV
--   now_ms      time    empty: the server's clock
--   paused      str     why and by whom, JSON; empty: resume
-- RETURNS  {'OK'}
-- COST     O(1)
-- FLAGS    allow-oom
--
-- @include lib/queue
-- @include lib/wake

local q = open_queue(queue, now_ms, events)
if paused ~= '' then
  redis.call('HSET', queue, 'paused', paused, 'paused_ms', string.format('%.0f', q.now))
else
  redis.call('HDEL', queue, 'paused', 'paused_ms')
  wake_one(wake)
end
note(q, paused ~= '' and 'paused' or 'resumed', {''}, 1)
close_queue(q)
return {'OK'}
