-- wake: pass a wake-up on that the taker could not use.
--
-- KEYS
--   wake        list    at most one token: a waiting worker takes it
-- RETURNS  {'OK'}
-- COST     O(1)
--
-- @include lib/wake

wake_one(wake)
return {'OK'}
