-- What happened, minute by minute. The present minute stands in the hash `minute`; when one ends it becomes a row of
-- the list `series:1`, and what lies further back is kept in rows of ten minutes and of two hours.
--   minute     fields: <total> where the total stood when the minute began; l<b> how many runs started that late;
--              r<b> how many took that long (b: bucket_of)
--   series:<m> rows of m minutes, oldest first: `<number of the m minutes since 1970> <jobs by COUNTED>|<depth by
--              DEPTHS at its end, - unknown>|<b>:<n> ... of lateness|<b>:<n> ... of run time`
-- A row is written by the first move after its minute, so a queue where nothing happens costs nothing.

local COUNTED = {'enqueued', 'completed', 'retried', 'dead', 'cancelled', 'lost'}
local DEPTHS = {'scheduled', 'retrying', 'running'}
local UNKNOWN = '- - - -'
local TIERS = {{1, 360}, {10, 432}, {120, 372}}
local BUCKETS = 90
local SQRT_HALF = 0.70710678118654752

-- bucket_of(ms) -> the bucket of a duration: 0 up to 1.41 µs, then two for each doubling: b begins at 2^(b/2) µs.
-- By frexp, which is exact on every machine, as a logarithm need not be.
local function bucket_of(ms)
  local us = ms * 1000
  if not (us >= 1) then return 0 end
  local part, power = math.frexp(us)
  return math.min(BUCKETS, 2 * power - (part < SQRT_HALF and 2 or 1))
end

-- tally(q, kind, ms, n): count n runs that started ('l') so late, or that took ('r') so long; written by close_queue.
local function tally(q, kind, ms, n)
  local field, seen = kind .. bucket_of(ms), q.seen
  if not seen[field] then seen[#seen + 1] = field end
  seen[field] = (seen[field] or 0) + n
end

-- tally_spread(q, kind, first, last, n): n runs of which the first and the last are known: those between lie between.
local function tally_spread(q, kind, first, last, n)
  local points = math.min(n, 4)
  for i = 1, points do
    local share = math.floor(n * i / points) - math.floor(n * (i - 1) / points)
    tally(q, kind, points == 1 and first or first + (last - first) * (i - 1) / (points - 1), share)
  end
end

-- tally_runs(q, took): what a worker measured: '<runs> <µs> <µs> ...', some of the runs standing for all.
local function tally_runs(q, took)
  local of, samples = nil, {}
  for n in string.gmatch(took, '%d+') do
    if of then samples[#samples + 1] = tonumber(n) / 1000 else of = tonumber(n) end
  end
  local points = #samples
  for i = 1, points do
    local share = math.floor(of * i / points) - math.floor(of * (i - 1) / points)
    if share > 0 then tally(q, 'r', samples[i], share) end
  end
end

-- empty_row() -> {counts, depths, l, r}, to be filled by add_row
local function empty_row()
  return {counts = {0, 0, 0, 0, 0, 0}, depths = UNKNOWN, l = {}, r = {}}
end

-- add_buckets(into, text): add '<b>:<n> ...'
local function add_buckets(into, text)
  for b, n in string.gmatch(text, '(%d+):(%d+)') do
    b = tonumber(b)
    into[b] = (into[b] or 0) + tonumber(n)
  end
end

-- add_row(sum, row): add a later row to a sum of rows.
local function add_row(sum, row)
  local counts, depths, l, r = string.match(row, '^%d+ ([^|]*)|([^|]*)|([^|]*)|(.*)$')
  local i = 0
  for n in string.gmatch(counts, '%d+') do
    i = i + 1
    sum.counts[i] = sum.counts[i] + tonumber(n)
  end
  if depths ~= UNKNOWN then sum.depths = depths end
  add_buckets(sum.l, l)
  add_buckets(sum.r, r)
end

-- write_row(number, sum) -> the row
local function write_row(number, sum)
  local text = {}
  for i = 1, #COUNTED do text[i] = string.format('%.0f', sum.counts[i]) end
  local parts = {string.format('%.0f ', number) .. table.concat(text, ' '), sum.depths}
  for _, buckets in ipairs({sum.l, sum.r}) do
    local listed = {}
    for b = 0, BUCKETS do
      if buckets[b] then listed[#listed + 1] = string.format('%d:%.0f', b, buckets[b]) end
    end
    parts[#parts + 1] = table.concat(listed, ' ')
  end
  return table.concat(parts, '|')
end

-- depth_of(sets) -> how many jobs are ready, scheduled, retrying and running now; - for a set that is not given
local function depth_of(sets)
  local ready = 0
  for p = 0, 9 do ready = ready + redis.call('ZCARD', sets.ready .. p) end
  local depths = {ready}
  for i, name in ipairs(DEPTHS) do depths[i + 1] = sets[name] and redis.call('ZCARD', sets[name]) or '-' end
  return table.concat(depths, ' ')
end

-- present_row(q, totals) -> the present minute as a sum; totals: where each total stands now
local function present_row(q, totals)
  local row, began = empty_row(), redis.call('HMGET', q.minute, unpack(COUNTED))
  for i = 1, #COUNTED do row.counts[i] = tonumber(totals[i] or 0) - tonumber(began[i] or 0) end
  for _, kind in ipairs({'l', 'r'}) do
    local fields = {}
    for b = 0, BUCKETS do fields[b + 1] = kind .. b end
    local found = redis.call('HMGET', q.minute, unpack(fields))
    for b = 0, BUCKETS do
      if found[b + 1] then row[kind][b] = tonumber(found[b + 1]) end
    end
  end
  return row
end

-- totals_of(q) -> where each total stands, in the order of COUNTED
local function totals_of(q)
  local names = {}
  for i, name in ipairs(COUNTED) do names[i] = name .. '_total' end
  return redis.call('HMGET', q.key, unpack(names))
end

-- add_parts(sum, q, tier, number): add the rows of the finer tier that are parts of row `number` of a tier.
local function add_parts(sum, q, tier, number)
  local finer = TIERS[tier - 1][1]
  local parts = TIERS[tier][1] / finer
  for _, row in ipairs(redis.call('LRANGE', q.series .. finer, -parts, -1)) do
    if math.floor(tonumber(string.match(row, '^%d+')) / parts) == number then add_row(sum, row) end
  end
end

-- roll(q, this_minute): end the minute that was the present one, and begin this one.
local function roll(q, this_minute)
  local totals = totals_of(q)
  if q.at_minute > 0 then
    local row = present_row(q, totals)
    if q.sets then row.depths = depth_of(q.sets) end
    for i, tier in ipairs(TIERS) do
      local number = math.floor(q.at_minute / tier[1])
      if i > 1 then
        if number == math.floor(this_minute / tier[1]) then break end
        row = empty_row()
        add_parts(row, q, i, number)
      end
      redis.call('RPUSH', q.series .. tier[1], write_row(number, row))
      redis.call('LTRIM', q.series .. tier[1], -tier[2], -1)
    end
    redis.call('DEL', q.minute)
  end
  local fields = {}
  for i, name in ipairs(COUNTED) do
    fields[2 * i - 1], fields[2 * i] = name, totals[i] or '0'
  end
  redis.call('HSET', q.minute, unpack(fields))
  redis.call('HSET', q.key, 'minute', string.format('%.0f', this_minute))
end

-- unfinished_row(q, step) -> the row of so many minutes that is still filling; '' before anything happened
local function unfinished_row(q, step)
  if q.at_minute == 0 then return '' end
  local sum, number = empty_row(), math.floor(q.at_minute / step)
  for i = #TIERS, 2, -1 do
    local tier = TIERS[i][1]
    if tier <= step then add_parts(sum, q, i, math.floor(q.at_minute / tier)) end
  end
  add_row(sum, write_row(0, present_row(q, totals_of(q))))
  return write_row(number, sum)
end

-- write_tally(q): begin a new minute where one has begun, and add what this call counted to it.
local function write_tally(q)
  if not q.series or #q.totals + #q.seen == 0 then return end
  local this_minute = math.floor(q.now / 60000)
  if this_minute > q.at_minute then roll(q, this_minute) end
  for _, field in ipairs(q.seen) do redis.call('HINCRBY', q.minute, field, q.seen[field]) end
end
