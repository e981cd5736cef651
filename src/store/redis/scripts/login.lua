-- The account that a sign-in session belongs to, in one step: one whose sessions end meanwhile is not found by half.
-- KEYS[1]: the session; KEYS[2]: the accounts. Answers the account's JSON, if there is one. It changes nothing, and
-- stands alone: it is asked for often.
local name_key = redis.call('GET', KEYS[1])
return name_key and redis.call('HGET', KEYS[2], name_key)
