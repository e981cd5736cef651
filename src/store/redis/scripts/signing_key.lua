-- Adds a signing key, and tells so. KEYS[2]: the keys, newest first. ARGV[3]: the key's JSON; ARGV[4]: 1 where it is added
-- only if there is none yet; ARGV[5]: the name by which it is told. Answers all of them.
if ARGV[4] ~= '1' or redis.call('LLEN', KEYS[2]) == 0 then
  redis.call('LPUSH', KEYS[2], ARGV[3])
  tell('kept', ARGV[5])
end
return redis.call('LRANGE', KEYS[2], 0, -1)
