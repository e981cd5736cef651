-- KEYS[1]: the room's hash. ARGV[1]: its new name. Answers 0 where there is no such room.
if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], 'name', ARGV[1])
return 1
