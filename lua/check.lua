-- check: the facts of some jobs at one moment, for the doctor: a slice of one set in its order, or jobs by id.
--
-- KEYS
--   queue       hash    the queue's own record
--   jobs        hash    job id -> spec
--   runs        hash    job id -> run record
--   ready       prefix  the ready sets, one per priority
--   blocked     zset    job id -> enqueue time, ms
--   scheduled   zset    job id -> due time, ms
--   retrying    zset    job id -> due time, ms
--   running     zset    job id -> lease deadline, ms
--   completed   zset    job id -> time of the move, ms
--   dead        zset    job id -> time of the move, ms
--   cancelled   zset    job id -> time of the move, ms
--   history     hash    job id -> one line per run that did not complete
--   unique      hash    unique key -> job id that holds it
--   walked      zset    the set to walk; with ids: not looked at
-- ARGV
--   now_ms      time    empty: the server's clock
--   limit       int     most jobs to look at, at most 1000
--   after_id    str     last id of the slice before; '' at the start
--   after_score str     its score
--   ids         list    job ids; none: a slice of `walked`
-- RETURNS  {now_ms, last ready score, last token, last score of the slice, row, ...}. row: {id,
--          '<set> <score> ' for each set it stands in, '=' and its spec without payload or '', '=' and its run
--          record or '', head of its last history line, holder of its unique key}. No row: the end. Fewer than
--          limit: go on, a slice also ends after about 1 MB of specs and history.
-- COST     O(log N + M), M <= limit
-- FLAGS    no-writes
--
-- @include lib/queue
-- @include lib/spec
-- @include lib/find

if limit < 1 or limit > 1000 or #ARGV - ids >= 1000 then return {'BAD', '0', 'batch'} end
local keys = {
  blocked = blocked, scheduled = scheduled, retrying = retrying, running = running, completed = completed,
  dead = dead, cancelled = cancelled, ready = ready,
}
local list, last_score = {}, {}
if ARGV[ids] then
  for i = ids, #ARGV do list[#list + 1] = ARGV[i] end
else
  local rank = after_id ~= '' and redis.call('ZRANK', walked, after_id)
  local from = 0
  if rank then
    from = rank + 1
  elseif after_score ~= '' then
    -- The last one has left: look again at those with its score, rather than miss one.
    from = redis.call('ZCOUNT', walked, '-inf', '(' .. after_score)
  end
  local found = redis.call('ZRANGE', walked, from, from + limit - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    list[#list + 1] = found[i]
    last_score[#list] = found[i + 1]
  end
end
local q = open_queue(queue, now_ms)
local function number(n) return string.format('%.3f', n) end
local reply = {number(q.now), number(q.ready_ms), number(q.token), ''}
if #list == 0 then return reply end

local stands = {}
for i = 1, #list do stands[i] = '' end
for _, set in ipairs(sets_of(keys)) do
  if redis.call('EXISTS', set[2]) == 1 then
    local name = set[1] == 'ready' and 'ready' .. string.sub(set[2], -1) or set[1]
    local scores = redis.call('ZMSCORE', set[2], unpack(list))
    for i = 1, #list do
      if scores[i] then stands[i] = stands[i] .. name .. ' ' .. scores[i] .. ' ' end
    end
  end
end

-- head_of(spec): the spec up to its payload; all of a short damaged one.
local function head_of(spec)
  if not spec then return '' end
  local long = string.find(spec, '^........%a')
  local head = string.match(spec, long and '^.........[^\n]*\n[^\n]*\n[^\n]*\n' or '^.........[^\n]*\n')
  return '=' .. (head or string.sub(spec, 1, 200))
end

-- last_line(lines): the last line's fields before its detail; all of a short damaged one.
local function last_line(lines)
  if not lines then return '' end
  local back = string.find(string.reverse(lines), '\n', 1, true)
  local line = back and string.sub(lines, #lines - back + 2) or lines
  return string.match(line, '^%S+ %S+ %S+ %S+ %S+ %S* ') or string.sub(line, 1, 200)
end

local bytes, done = 0, 0
while done < #list and bytes < 1000000 do
  local to = math.min(done + 10, #list)
  local specs = redis.call('HMGET', jobs, unpack(list, done + 1, to))
  local records = redis.call('HMGET', runs, unpack(list, done + 1, to))
  local lines = redis.call('HMGET', history, unpack(list, done + 1, to))
  for i = 1, to - done do
    local spec, holder = specs[i], ''
    bytes = bytes + (spec and #spec or 0) + (lines[i] and #lines[i] or 0)
    local key = spec and spec_unique(spec) or ''
    if key ~= '' then holder = redis.call('HGET', unique, key) or '' end
    reply[#reply + 1] = {
      list[done + i], stands[done + i], head_of(spec), records[i] and '=' .. records[i] or '', last_line(lines[i]),
      holder,
    }
  end
  done = to
end
reply[4] = last_score[done] or ''
return reply
