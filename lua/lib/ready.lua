-- push_ready(q, ready, ids, specs, n): the one way into the ready sets. Scores rise strictly, so jobs of one
-- priority leave in the order in which they became ready.
--   ready  prefix of the ready sets, one per priority
--   ids    job ids;  specs  their specs, at the same places;  n  how many
local function push_ready(q, ready, ids, specs, n)
  local by_priority = {}
  local score = q.ready_ms
  for i = 1, n do
    score = score + 0.001
    if score < q.now then score = q.now end
    local priority = spec_priority(specs[i])
    local members = by_priority[priority]
    if not members then
      members = {}
      by_priority[priority] = members
    end
    members[#members + 1] = score
    members[#members + 1] = ids[i]
  end
  for p = 9, 0, -1 do
    local members = by_priority[tostring(p)]
    if members then
      for from = 1, #members, 2000 do
        redis.call('ZADD', ready .. p, unpack(members, from, math.min(from + 1999, #members)))
      end
    end
  end
  q.ready_ms = score
  note(q, 'ready', ids, n)
end
