-- token_revoke: forget a token.
--
-- KEYS
--   tokens      hash    token id -> '<created ms> <expires ms, 0: never> <JSON>'
--   token_uses  hash    token id -> when it was last used, ms
-- ARGV
--   id          str     the token's id
-- RETURNS  {'OK', 1}; {'OK', 0}: there was none
-- COST     O(1)
-- FLAGS    allow-oom

redis.call('HDEL', token_uses, id)
return {'OK', redis.call('HDEL', tokens, id)}
