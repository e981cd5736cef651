-- Claims something, or prolongs the claim. KEYS[1]: the claim. ARGV[1]: who claims; ARGV[2]: for how many milliseconds;
-- ARGV[3]: from whom it may be taken, if from anybody. Answers 0 where somebody else has it.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] and holder ~= ARGV[3] then
  return 0
end
if tonumber(ARGV[2]) > 0 then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
else
  redis.call('DEL', KEYS[1])
end
return 1
