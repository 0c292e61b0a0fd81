-- extend: renew the leases of a worker's claims, and tell it which it has lost or shall stop.
--
-- An expired lease that nobody has taken back yet is revived.
--
-- KEYS
--   queue       hash    the queue's own record
--   runs        hash    job id -> run record
--   running     zset    job id -> lease deadline, ms
--   cancels     hash    running job asked to cancel -> when, ms
-- ARGV
--   now_ms      time    empty: the server's clock
--   lease_ms    num     how long the leases last from now
--   claims      list    per claim: id, token
-- RETURNS  {'OK', {lost id, ...}, {id to cancel, ...}}; {'BAD', '0', 'batch'} over 1000 claims
-- COST     O(M log N) for M claims
-- FLAGS    allow-oom
--
-- @include lib/check
-- @include lib/queue
-- @include lib/run

local n = (#ARGV - claims + 1) / 2
if not is_whole(n, 0, 1000) then return {'BAD', '0', 'batch'} end
if not is_duration(lease_ms) then return {'BAD', '0', 'lease_ms'} end
if n == 0 then return {'OK', {}, {}} end
local ids = {}
for i = 1, n do ids[i] = ARGV[claims + 2 * i - 2] end
local q = open_queue(queue, now_ms)
local records = redis.call('HMGET', runs, unpack(ids))
local leases = redis.call('ZMSCORE', running, unpack(ids))
local marks = redis.call('HLEN', cancels) > 0 and redis.call('HMGET', cancels, unpack(ids)) or {}
local lost, stop, members = {}, {}, {}
local deadline = lease_end(q, lease_ms)
for i = 1, n do
  if leases[i] and holds_token(records[i], ARGV[claims + 2 * i - 1]) then
    members[#members + 1] = deadline
    members[#members + 1] = ids[i]
    if marks[i] then stop[#stop + 1] = ids[i] end
  else
    lost[#lost + 1] = ids[i]
  end
end
if #members > 0 then redis.call('ZADD', running, 'XX', unpack(members)) end
close_queue(q)
return {'OK', lost, stop}
