-- wake_one(wake): wake one waiting worker. At most one token lies on the list: a wake-up is a hint, and
-- whoever takes work and leaves some behind passes it on.
local function wake_one(wake)
  if redis.call('EXISTS', wake) == 0 then
    redis.call('RPUSH', wake, '1')
  end
end
