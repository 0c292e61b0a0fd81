-- The job's run record, written by every claim: `<token> <attempt> <delivery> <lost> <started_ms> <worker>`.
--   token     fencing token of the newest claim
--   attempt   runs that count against max_attempts
--   delivery  every claim, also those whose worker died
--   lost      claims whose worker died, since the job was enqueued or revived

-- read_run(record) -> {token, attempt, delivery, lost, started, worker}; zeros for a job never claimed
local function read_run(record)
  if not record then
    return {token = '0', attempt = 0, delivery = 0, lost = 0, started = '0', worker = ''}
  end
  local token, attempt, delivery, lost, started, worker =
    string.match(record, '^(%d+) (%d+) (%d+) (%d+) (%d+) (.*)$')
  return {token = token, attempt = tonumber(attempt), delivery = tonumber(delivery), lost = tonumber(lost),
          started = started, worker = worker}
end

-- write_run(run) -> record
local function write_run(run)
  return run.token .. ' ' .. run.attempt .. ' ' .. run.delivery .. ' ' .. run.lost .. ' ' .. run.started .. ' '
    .. run.worker
end

-- lease_end(q, lease_ms) -> when a lease that begins now ends, as text: whole ms, which a small sorted set keeps as
-- integers and compares without parsing them (a quarter of what a claim costs Redis 7).
local function lease_end(q, lease_ms)
  return string.format('%.0f', math.ceil(q.now + lease_ms))
end

-- holds_token(record, token) -> whether token is the newest claim's
local function holds_token(record, token)
  return record and string.sub(record, 1, #token + 1) == token .. ' '
end
