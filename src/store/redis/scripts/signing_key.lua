-- Adds a signing key. KEYS[1]: the keys, newest first. ARGV[1]: the key's JSON; ARGV[2]: 1 where it is added only if
-- there is none yet. Answers all of them.
if ARGV[2] ~= '1' or redis.call('LLEN', KEYS[1]) == 0 then
  redis.call('LPUSH', KEYS[1], ARGV[1])
end
return redis.call('LRANGE', KEYS[1], 0, -1)
