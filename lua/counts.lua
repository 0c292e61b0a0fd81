-- counts: how many jobs of a queue stand in each state, and the queue's own record.
--
-- KEYS
--   queue       hash    the queue's own record
--   ready       prefix  the ready sets, one per priority
--   blocked     zset    job id -> enqueue time, ms
--   scheduled   zset    job id -> due time, ms
--   retrying    zset    job id -> due time, ms
--   running     zset    job id -> lease deadline, ms
--   completed   zset    job id -> time of the move, ms
--   dead        zset    job id -> time of the move, ms
--   cancelled   zset    job id -> time of the move, ms
-- ARGV
--   now_ms      time    empty: the server's clock
-- RETURNS  {now_us, {state, count, ...}, {field, value, ...} of the queue's record, oldest ready score or ''}
-- COST     O(1)
-- FLAGS    no-writes
--
-- @include lib/queue

local q = open_queue(queue, now_ms)
local ready_count, oldest = 0, ''
for p = 0, 9 do
  ready_count = ready_count + redis.call('ZCARD', ready .. p)
  local score = redis.call('ZRANGE', ready .. p, 0, 0, 'WITHSCORES')[2]
  if score and (oldest == '' or tonumber(score) < tonumber(oldest)) then oldest = score end
end
return {math.floor(q.now * 1000), {
  'blocked', redis.call('ZCARD', blocked), 'scheduled', redis.call('ZCARD', scheduled), 'ready', ready_count,
  'running', redis.call('ZCARD', running), 'retrying', redis.call('ZCARD', retrying),
  'completed', redis.call('ZCARD', completed), 'dead', redis.call('ZCARD', dead),
  'cancelled', redis.call('ZCARD', cancelled),
}, redis.call('HGETALL', queue), oldest}
