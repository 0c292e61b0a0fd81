-- series: what happened in a queue, in rows of some minutes, up to now.
--
-- KEYS
--   queue       hash    the queue's own record
--   minute      hash    figures of the present minute
--   series      prefix  lists of figures: of minutes, ten minutes, two hours
-- ARGV
--   now_ms      time    empty: the server's clock
--   step        int     minutes of a row: 1, 10 or 120
--   limit       int     most rows of that step, 1 to 500
-- RETURNS  {now_us, {row, ...} of the step, oldest first, row of what came since the last of them or ''}; rows as in
--          lib/series.lua; {'BAD', '0', what}
-- COST     O(limit)
-- FLAGS    no-writes
--
-- @include lib/check
-- @include lib/queue

if step ~= 1 and step ~= 10 and step ~= 120 then return {'BAD', '0', 'step'} end
if not is_whole(limit, 1, 500) then return {'BAD', '0', 'limit'} end
local q = open_queue(queue, now_ms, nil, minute, series)
local rows = redis.call('LRANGE', series .. step, -limit, -1)
return {math.floor(q.now * 1000), rows, unfinished_row(q, step)}
