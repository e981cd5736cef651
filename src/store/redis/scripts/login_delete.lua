-- Ends a sign-in session. KEYS[1]: the session. ARGV[1]: its digest; ARGV[2]: what the keys of accounts' sets of
-- sessions begin with.
local name_key = redis.call('GET', KEYS[1])
if name_key then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', ARGV[2] .. name_key, ARGV[1])
end
return 1
