-- report: a worker tells how far its jobs are, and hands in lines that they logged.
--
-- A line of an older claim is taken too (the last lines of a run may come after its outcome), progress is not. A
-- repeat of a call whose answer was lost may double lines.
--
-- KEYS
--   queue       hash    the queue's own record
--   jobs        hash    job id -> spec
--   runs        hash    job id -> run record
--   journal     hash    job id -> what it reported (lib/journal.lua)
--   events      list    what was noted while somebody listened, the newest 10,000
-- ARGV
--   now_ms      time    empty: the server's clock
--   entries     list    per job: id, token, '<fraction 0 to 1> <text>' or '', lines ('' none) with '\n' between them
-- RETURNS  {'OK', {id not taken, ...}}: these are gone, or the token is none of theirs
-- COST     O(M + bytes), M <= 100 jobs
--
-- @include lib/check
-- @include lib/queue
-- @include lib/run
-- @include lib/journal

local count = (#ARGV - entries + 1) / 4
if not is_whole(count, 0, 100) then return {'BAD', '0', 'batch'} end
for i = entries, #ARGV, 4 do
  local progress = ARGV[i + 2]
  if progress ~= '' and not string.find(progress, '^[01]%.?%d* [^\n]*$') then return {'BAD', '0', 'progress'} end
  if not tonumber(ARGV[i + 1]) then return {'BAD', '0', 'token'} end
end
local q = open_queue(queue, now_ms, events)
local refused, told = {}, {}
for i = entries, #ARGV, 4 do
  local id, token, progress, lines = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local record = redis.call('HEXISTS', jobs, id) == 1 and redis.call('HGET', runs, id)
  if not holds_token(record, token) then
    progress = ''
    if not record or tonumber(token) > tonumber(read_run(record).token) then lines = '' end
  end
  if progress == '' and lines == '' then
    refused[#refused + 1] = id
  else
    local old = redis.call('HGET', journal, id) or ''
    redis.call('HSET', journal, id, add_to_journal(old, q.now, progress, lines))
    told[#told + 1] = id
  end
end
note(q, 'journal', told, #told)
if #told > 0 then close_queue(q) end
return {'OK', refused}
