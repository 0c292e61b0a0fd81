-- check_totals: what must add up in a queue, counted at one moment, for the doctor.
--
-- KEYS
--   queue       hash    the queue's own record
--   jobs        hash    job id -> spec
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
--   late_ms     num     how long a due job or an expired lease may be left where it is
-- RETURNS  {now_ms, number of specs, {set, count, ...}, {field, value, ...} of the queue's record, how many due
--          jobs were left behind, how many expired leases were}
-- COST     O(log N)
-- FLAGS    no-writes
--
-- @include lib/queue
-- @include lib/spec
-- @include lib/find

local q = open_queue(queue, now_ms)
local counts = {}
local keys = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
for _, set in ipairs(sets_of(keys)) do
  counts[#counts + 1] = set[1] == 'ready' and 'ready' .. string.sub(set[2], -1) or set[1]
  counts[#counts + 1] = redis.call('ZCARD', set[2])
end
local late = string.format('%.3f', q.now - late_ms)
return {string.format('%.3f', q.now), redis.call('HLEN', jobs), counts, redis.call('HGETALL', queue),
        redis.call('ZCOUNT', scheduled, '-inf', late) + redis.call('ZCOUNT', retrying, '-inf', late),
        redis.call('ZCOUNT', running, '-inf', late)}
