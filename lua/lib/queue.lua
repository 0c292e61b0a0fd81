-- The queue's own record: its clock, its counters, whether it is paused.
-- Fields of the hash `queue`:
--   now_ms    the largest server time the queue has seen; the clock never runs behind it
--   ready_ms  the last score given to a ready job, so that FIFO is strict
--   token     the last fencing token issued
--   paused    why and since when, JSON; absent: not paused
--   <x>_total how many jobs made the move x since the queue was born

-- clock(now_ms) -> ms with fraction. now_ms is '' for the server's clock, else a number of ms (tests).
local function clock(now_ms)
  if now_ms ~= '' then return tonumber(now_ms) end
  local t = redis.call('TIME')
  return t[1] * 1000 + t[2] / 1000
end

-- open_queue(key, now_ms) -> record {now, ready_ms, token, paused}
local function open_queue(key, now_ms)
  local now = clock(now_ms)
  local saved = redis.call('HMGET', key, 'now_ms', 'ready_ms', 'token', 'paused')
  local seen = tonumber(saved[1] or 0)
  if seen > now then now = seen end
  return {key = key, now = now, ready_ms = tonumber(saved[2] or 0), token = tonumber(saved[3] or 0),
          paused = saved[4], totals = {}}
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
  redis.call('HSET', q.key, 'now_ms', q.now, 'ready_ms', q.ready_ms, 'token', q.token)
  local totals = q.totals
  for i = 1, #totals, 2 do
    redis.call('HINCRBY', q.key, totals[i], totals[i + 1])
  end
end
