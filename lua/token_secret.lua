-- token_secret: the secret that signs sessions; the first caller's proposal is kept.
--
-- KEYS
--   secret      string  the secret
-- ARGV
--   proposal    str     a random text
-- RETURNS  {'OK', secret}
-- COST     O(1)
-- FLAGS    allow-oom

redis.call('SET', secret, proposal, 'NX')
return {'OK', redis.call('GET', secret)}
