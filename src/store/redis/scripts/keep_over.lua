-- Keeps something under a name in the place of what was read there. KEYS[2]: where. ARGV[3]: the name; ARGV[4]: what;
-- ARGV[5]: what was read, if there was something. Answers 0 where something else is there now.
local there = redis.call('GET', KEYS[2])
if (there or nil) ~= ARGV[5] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[4])
tell('kept', ARGV[3])
return 1
