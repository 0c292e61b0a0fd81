-- The one way into each terminal state, and what every end of a job owes to others: its unique key is given back
-- and whoever waits for it is told, and so are its webhooks.
--
-- @include lib/hooks

-- tell_waiters(waiters, done, ids, n): push each ended job's id to the lists of those who wait for it.
local function tell_waiters(waiters, done, ids, n)
  if redis.call('HLEN', waiters) == 0 then return end
  local waiting = redis.call('HMGET', waiters, unpack(ids, 1, n))
  for i = 1, n do
    if waiting[i] then
      for waiter in string.gmatch(waiting[i], '%S+') do
        redis.call('RPUSH', done .. waiter, ids[i])
        redis.call('PEXPIRE', done .. waiter, 60000)
      end
      redis.call('HDEL', waiters, ids[i])
    end
  end
end

-- release_unique(jobs, unique, ids, n): give back the unique keys that the ended jobs hold.
local function release_unique(jobs, unique, ids, n)
  if redis.call('HLEN', unique) == 0 then return end
  local specs = redis.call('HMGET', jobs, unpack(ids, 1, n))
  for i = 1, n do
    local key = specs[i] and spec_unique(specs[i]) or ''
    if key ~= '' and redis.call('HGET', unique, key) == ids[i] then
      redis.call('HDEL', unique, key)
    end
  end
end

-- push_ended(q, key, ids, n): the members of a terminal set, scored by the time of the move.
local function push_ended(q, key, ids, n)
  -- As text, once: formatting a number is most of what a member costs Redis 7.
  local members, now = {}, string.format('%.17g', q.now)
  for i = 1, n do
    members[2 * i - 1] = now
    members[2 * i] = ids[i]
  end
  redis.call('ZADD', key, unpack(members))
end

-- push_completed, push_dead, push_cancelled (q, keys, ids, n): n <= 1000.
--   keys  {jobs, hooks, ready, unique, waiters, done, completed | dead | cancelled}
-- Where q.called rises, there are new ready jobs: wake for them.
local function finish(q, keys, set, state, ids, n)
  push_ended(q, set, ids, n)
  release_unique(keys.jobs, keys.unique, ids, n)
  tell_waiters(keys.waiters, keys.done, ids, n)
  count_move(q, state .. '_total', n)
  note(q, state, ids, n)
  if q.hooks or redis.call('HLEN', keys.hooks) > 0 then call_hooks(q, keys, state, ids, n) end
end

local function push_completed(q, keys, ids, n)
  finish(q, keys, keys.completed, 'completed', ids, n)
end

local function push_dead(q, keys, ids, n)
  finish(q, keys, keys.dead, 'dead', ids, n)
end

local function push_cancelled(q, keys, ids, n)
  finish(q, keys, keys.cancelled, 'cancelled', ids, n)
end
