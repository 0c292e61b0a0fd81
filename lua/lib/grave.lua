-- Errors that are alike have one fingerprint: the error's type and its message, where numbers, ids and what stands in
-- quotes do not count.

-- last_line(lines) -> the newest line of a job's history
local function last_line(lines)
  local back = string.find(string.reverse(lines), '\n', 1, true)
  return back and string.sub(lines, #lines - back + 2) or lines
end

-- error_of(line) -> the error that a line of history tells, as text that is the same for errors that are alike. The
-- line's detail is JSON made by the worker; it is not decoded: its type and message are text like any other.
local function error_of(line)
  local detail = string.match(line, '^%S+ %S+ %S+ %S+ %S+ %S* (.*)$') or ''
  local kind = string.match(detail, '"type":"([^"]*)"') or ''
  local _, from = string.find(detail, '"message":"', 1, true)
  local message = from and string.sub(detail, from + 1, from + 300) or ''
  if string.sub(message, 1, 1) == '"' then
    message = ''
  else
    message = string.match(message, '^(.-[^\\])"') or message
  end
  message = string.gsub(message, '\\n.*', '')
  message = string.gsub(message, '\\"[^"]*\\"', '*')
  message = string.gsub(message, "'[^']*'", '*')
  message = string.gsub(message, '0x%x+', '*')
  message = string.gsub(message, '%x%x%x%x%x%x%x%x[%x-]*', '*')
  message = string.gsub(message, '%d[%d%.]*', '*')
  return kind .. ': ' .. string.sub(message, 1, 160)
end

-- fingerprint(text) -> 14 hexadecimal digits
local function fingerprint(text)
  local a, b = 5381, 52711
  for i = 1, #text do
    local byte = string.byte(text, i)
    a = (a * 33 + byte) % 268435456
    b = (b * 37 + byte) % 268435456
  end
  return string.format('%07x%07x', a, b)
end
