-- The queue's own record: its clock, its counters, whether it is paused.
-- Fields of the hash `queue`:
--   now_ms    the largest server time the queue has seen; the clock never runs behind it
--   ready_ms  the last score given to a ready job, so that FIFO is strict
--   token     the last fencing token issued
--   paused    why and since when, JSON; absent: not paused
--   <x>_total how many jobs made the move x since the queue was born
--   hooks     webhooks of all jobs of the queue (lib/hooks.lua); absent: none
--   listen_ms until when somebody listens: as long, each move is noted in the list `events`
--   noted     how many events were noted since the queue was born: the number of the newest
--   minute    the present minute of its figures (lib/series.lua), counted since 1970
--
-- @include lib/series

-- clock(now_ms) -> ms with fraction. now_ms is '' for the server's clock, else a number of ms (tests).
local function clock(now_ms)
  if now_ms ~= '' then return tonumber(now_ms) end
  local t = redis.call('TIME')
  return t[1] * 1000 + t[2] / 1000
end

-- open_queue(key, now_ms, events, minute, series) -> record {now, ready_ms, token, paused, hooks, called}
-- events: the list of events, for scripts that move jobs; minute, series: for those that count moves.
-- called: webhook deliveries that this call has written. sets: to be given, for the depths in the series.
local function open_queue(key, now_ms, events, minute, series)
  local now = clock(now_ms)
  local saved = redis.call('HMGET', key, 'now_ms', 'ready_ms', 'token', 'paused', 'listen_ms', 'hooks', 'minute')
  local seen = tonumber(saved[1] or 0)
  if seen > now then now = seen end
  return {key = key, now = now, ready_ms = tonumber(saved[2] or 0), token = tonumber(saved[3] or 0),
          paused = saved[4], hooks = saved[6], called = 0, totals = {}, events = events,
          minute = minute, series = series, at_minute = tonumber(saved[7] or 0), seen = {}, due = {},
          notes = events and tonumber(saved[5] or 0) > now and {} or nil}
end

-- note(q, what, ids, n): note an event about n jobs, where somebody listens: `<what> <now, ms> <id> <id> ...`.
-- Each way into a state notes its state, so no move is missed and none is noted twice.
local function note(q, what, ids, n)
  if q.notes and n > 0 then
    q.notes[#q.notes + 1] = what .. string.format(' %.3f ', q.now) .. table.concat(ids, ' ', 1, n)
  end
end

-- count_move(q, name, n): add n to the total of a move; written by close_queue.
local function count_move(q, name, n)
  if n > 0 then
    local totals = q.totals
    totals[#totals + 1] = name
    totals[#totals + 1] = n
  end
end

-- close_queue(q): write the record back. Call it once, after every other write.
local function close_queue(q)
  write_tally(q)
  redis.call('HSET', q.key, 'now_ms', q.now, 'ready_ms', q.ready_ms, 'token', q.token)
  local totals = q.totals
  for i = 1, #totals, 2 do
    redis.call('HINCRBY', q.key, totals[i], totals[i + 1])
  end
  if q.notes and #q.notes > 0 then
    redis.call('RPUSH', q.events, unpack(q.notes))
    redis.call('LTRIM', q.events, -10000, -1)
    redis.call('HINCRBY', q.key, 'noted', #q.notes)
  end
end
