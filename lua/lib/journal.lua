-- What a job reported of itself: `<lines in all> <progress>`, then the newest of its lines, one each.
--   progress  '' for none, else `<when, ms> <fraction 0 to 1> <text>`
--   lines     JSON made by the worker, opaque here; at most 200 of them and 32 KiB are kept

-- add_to_journal(journal, now, progress, lines) -> the journal with a newer progress ('': as before) and more lines.
local function add_to_journal(journal, now, progress, lines)
  local total, before, kept = string.match(journal, '^(%d+) ([^\n]*)\n?(.*)$')
  total, before, kept = tonumber(total or 0), before or '', kept or ''
  if progress ~= '' then before = string.format('%.0f ', now) .. progress end
  if lines ~= '' then
    local _, breaks = string.gsub(lines, '\n', '\n')
    total = total + breaks + 1
    kept = kept == '' and lines or kept .. '\n' .. lines
    local _, most = string.gsub(kept, '\n', '\n')
    while most >= 200 or #kept > 32768 do
      local cut = string.find(kept, '\n', 1, true)
      if not cut then break end
      kept = string.sub(kept, cut + 1)
      most = most - 1
    end
  end
  local head = string.format('%.0f ', total) .. before
  return kept == '' and head or head .. '\n' .. kept
end
