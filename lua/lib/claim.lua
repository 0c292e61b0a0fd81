-- push_running(q, keys, worker, lease_ms, ids, specs, n, claims): the one way into the running set. Each claim
-- gets the next fencing token and counts as an attempt and a delivery.
--   claims   gets id and spec of each
--   earlier  gets place among the claims (from 0) and '<attempt> <delivery> <lost>' of each that is not a first run
local function push_running(q, keys, worker, lease_ms, ids, specs, n, claims, earlier)
  local records = redis.call('HMGET', keys.runs, unpack(ids, 1, n))
  local started = string.format('%.0f', q.now - q.now % 1)
  local first_run = ' 1 1 0 ' .. started .. ' ' .. worker
  local deadline = lease_end(q, lease_ms)
  local members, fields = {}, {}
  local token = q.token
  local at = #claims
  for i = 1, n do
    token = token + 1
    local id = ids[i]
    local record = first_run
    if records[i] then
      local run = read_run(records[i])
      local counts = (run.attempt + 1) .. ' ' .. (run.delivery + 1) .. ' ' .. run.lost
      record = ' ' .. counts .. ' ' .. started .. ' ' .. worker
      earlier[#earlier + 1] = at / 2
      earlier[#earlier + 1] = counts
    end
    members[2 * i - 1], members[2 * i] = deadline, id
    fields[2 * i - 1], fields[2 * i] = id, string.format('%d', token) .. record
    claims[at + 1], claims[at + 2] = id, specs[i]
    at = at + 2
  end
  redis.call('ZADD', keys.running, unpack(members))
  redis.call('HSET', keys.runs, unpack(fields))
  q.token = token
  note(q, 'running', ids, n)
end

-- any_ready(ready) -> whether a job is ready at all.
local function any_ready(ready)
  local sets = {}
  for p = 0, 9 do sets[p + 1] = ready .. p end
  return redis.call('EXISTS', unpack(sets)) > 0
end

-- tally_lateness(q, ready, first, last, n): n jobs start that stand in one ready set, from `first` to `last`: since when
-- were they due? One that was promoted in this very call: since its due time.
local function tally_lateness(q, ready, first, last, n)
  local since = redis.call('ZMSCORE', ready, first, last)
  tally_spread(q, 'l', q.now - (q.due[first] or tonumber(since[1])), q.now - (q.due[last] or tonumber(since[2])), n)
end

-- claim_ready(q, keys, worker, lease_ms, limit, claims): claim up to limit ready jobs, highest priority first.
local function claim_ready(q, keys, worker, lease_ms, limit, claims, earlier)
  if not any_ready(keys.ready) then return end
  for p = 9, 0, -1 do
    local ready = keys.ready .. p
    local ids = redis.call('ZRANGE', ready, 0, limit - 1)
    if #ids > 0 then
      local specs = redis.call('HMGET', keys.jobs, unpack(ids))
      local n = 0
      for i = 1, #ids do
        if specs[i] then
          n = n + 1
          ids[n], specs[n] = ids[i], specs[i]
        end
      end
      tally_lateness(q, ready, ids[1], ids[#ids], #ids)
      redis.call('ZREMRANGEBYRANK', ready, 0, #ids - 1)
      if n > 0 then push_running(q, keys, worker, lease_ms, ids, specs, n, claims, earlier) end
      limit = limit - n
      if limit <= 0 then return end
    end
  end
end

-- wake_for_rest(ready, wake): what this claimer leaves, another worker is woken for.
local function wake_for_rest(ready, wake)
  if any_ready(ready) then wake_one(wake) end
end

-- next_us(q, keys): microseconds until something is due (a delayed job, a retry, an expired lease); -1: nothing.
local function next_us(q, keys)
  local first
  for _, key in ipairs({keys.scheduled, keys.retrying, keys.running}) do
    local due = earliest(key)
    if due and (not first or due < first) then first = due end
  end
  if not first then return -1 end
  return math.max(0, math.ceil((first - q.now) * 1000))
end

-- exchange_reply(q, keys, first_token, stale, claims, earlier): the reply as exchange's header gives it.
local function exchange_reply(q, keys, first_token, stale, claims, earlier)
  return {'OK', math.floor(q.now * 1000), next_us(q, keys), first_token, stale, earlier, claims}
end

-- memo_of(nonce, first_token, stale, claims): what a repeat needs to be answered alike.
local function memo_of(nonce, first_token, stale, claims)
  local ids, n = {}, 0
  for i = 1, #claims, 2 do
    n = n + 1
    ids[n] = claims[i]
  end
  return nonce .. ' ' .. string.format('%d', first_token) .. '\n' .. table.concat(stale, ' ') .. '\n'
    .. table.concat(ids, ' ')
end

-- repeat_exchange(q, keys, memo): answer a repeat: the same stale ids, the same claims where still held.
-- A claim that was lost meanwhile keeps its place, with an empty spec, so that tokens still count from the first.
local function repeat_exchange(q, keys, memo)
  local first_token, stale_ids, claim_ids = string.match(memo, '^%S+ (%d+)\n([^\n]*)\n([^\n]*)$')
  local stale, claims, earlier = {}, {}, {}
  for id in string.gmatch(stale_ids, '%S+') do stale[#stale + 1] = id end
  local token = tonumber(first_token)
  for id in string.gmatch(claim_ids, '%S+') do
    local record = redis.call('HGET', keys.runs, id)
    local spec = ''
    if holds_token(record, string.format('%d', token)) and redis.call('ZSCORE', keys.running, id) then
      spec = redis.call('HGET', keys.jobs, id) or ''
    end
    local run = read_run(record)
    local n = #claims
    claims[n + 1], claims[n + 2] = id, spec
    if run.delivery > 1 then
      earlier[#earlier + 1] = n / 2
      earlier[#earlier + 1] = run.attempt .. ' ' .. run.delivery .. ' ' .. run.lost
    end
    token = token + 1
  end
  return exchange_reply(q, keys, tonumber(first_token), stale, claims, earlier)
end
