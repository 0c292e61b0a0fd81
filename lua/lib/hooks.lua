-- Webhooks: each end of a job that somebody wants to be told of becomes a delivery, an ordinary job of the same
-- queue, written by the script that ends the job. So no crash can come between the two.
--
-- Hooks are lines, `<ends> <hook>`: the first letters say which ends are wanted (c completed, d dead, x cancelled),
-- the hook is JSON, opaque here. A job's own stand in the hash `hooks`, those of all jobs of the queue in the field
-- `hooks` of its record.
--
-- @include lib/spec
-- @include lib/ready

local DELIVERY = 'nexq:webhook'
local HOOK_LETTER = {completed = 'c', dead = 'd', cancelled = 'x'}

-- json_text(text) -> the text as it stands in a JSON string
local function json_text(text)
  return (string.gsub(text, '[%c"\\]', function(c) return string.format('\\u%04x', string.byte(c)) end))
end

-- delivery_id(id, number) -> the id of a delivery: the job's, not cut within a character where it is long
local function delivery_id(id, number)
  if #id > 180 then id = string.gsub(string.sub(id, 1, 180), '[\192-\255]?[\128-\191]*$', '') end
  return id .. string.format('~hook%d', number)
end

-- write_delivery(q, keys, id, head, hook, made): write one delivery. It gets a number of its own from the count of
-- tokens, which never runs back: its id is new, and so is the end that it tells of.
--   head  begin of its payload;  made  gets ids and specs
local function write_delivery(q, keys, id, head, hook, made)
  local delivery
  repeat
    q.token = q.token + 1
    delivery = delivery_id(id, q.token)
  until redis.call('HEXISTS', keys.jobs, delivery) == 0
  local spec = stamp_of(q.now) .. '59' .. DELIVERY .. '\n' .. head .. string.format('"number":%d,"hook":', q.token)
    .. hook .. '}'
  redis.call('HSET', keys.jobs, delivery, spec)
  made.ids[#made.ids + 1] = delivery
  made.specs[#made.specs + 1] = spec
end

-- call_hooks(q, keys, state, ids, n): write a delivery for each hook that wants this end of these jobs. The end of
-- a delivery is told to nobody.
local function call_hooks(q, keys, state, ids, n)
  local own = redis.call('HMGET', keys.hooks, unpack(ids, 1, n))
  local specs = redis.call('HMGET', keys.jobs, unpack(ids, 1, n))
  local made = {ids = {}, specs = {}}
  local tail = string.format('"state":"%s","at_ms":%.0f,', state, q.now)
  for i = 1, n do
    local type = (own[i] or q.hooks) and specs[i] and string.match(specs[i], '^.........([^\n]*)\n')
    if type and type ~= DELIVERY then
      local head = '{"job":"' .. json_text(ids[i]) .. '","type":"' .. json_text(type) .. '",' .. tail
      for ends, hook in string.gmatch((own[i] or '') .. '\n' .. (q.hooks or ''), '([cdx]+) ({[^\n]*})') do
        if string.find(ends, HOOK_LETTER[state], 1, true) then write_delivery(q, keys, ids[i], head, hook, made) end
      end
    end
  end
  if #made.ids == 0 then return end
  push_ready(q, keys.ready, made.ids, made.specs, #made.ids)
  count_move(q, 'enqueued_total', #made.ids)
  q.called = q.called + #made.ids
end
