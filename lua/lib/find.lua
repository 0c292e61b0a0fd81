-- The sets in which a job can stand, and which of them holds it.

-- sets_of(keys) -> list of {state, key}, the ready sets last.
local function sets_of(keys)
  local sets = {
    {'running', keys.running}, {'scheduled', keys.scheduled}, {'retrying', keys.retrying},
    {'completed', keys.completed}, {'dead', keys.dead}, {'cancelled', keys.cancelled}, {'blocked', keys.blocked},
  }
  for p = 0, 9 do sets[#sets + 1] = {'ready', keys.ready .. p} end
  return sets
end

-- find_job(keys, id, spec) -> state, score, key of its set; nil for a job that stands nowhere.
local function find_job(keys, id, spec)
  local score = redis.call('ZSCORE', keys.ready .. spec_priority(spec), id)
  if score then return 'ready', score, keys.ready .. spec_priority(spec) end
  for _, set in ipairs(sets_of(keys)) do
    score = redis.call('ZSCORE', set[2], id)
    if score then return set[1], score, set[2] end
  end
  return nil
end
