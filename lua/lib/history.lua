-- add_history(history, id, run, outcome, now, detail): append one line to the job's history of runs that did not
-- complete: `<outcome> <attempt> <token> <started_ms> <ended_ms> <worker> <detail>`.
-- detail is JSON made by the caller, opaque here. At most 20 lines and 64 KiB are kept, the newest.
local function add_history(history, id, run, outcome, now, detail)
  local line = outcome .. ' ' .. run.attempt .. ' ' .. run.token .. ' ' .. run.started .. ' '
    .. string.format('%.0f', now) .. ' ' .. run.worker .. ' ' .. detail
  local old = redis.call('HGET', history, id)
  if old then
    local _, lines = string.gsub(old, '\n', '\n')
    while old ~= '' and (lines >= 19 or #old + #line > 65536) do
      local cut = string.find(old, '\n', 1, true)
      old = cut and string.sub(old, cut + 1) or ''
      lines = lines - 1
    end
    if old ~= '' then line = old .. '\n' .. line end
  end
  redis.call('HSET', history, id, line)
end
