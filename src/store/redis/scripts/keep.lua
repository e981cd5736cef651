-- Keeps something under a name. KEYS[2]: where. ARGV[3]: the name; ARGV[4]: what; ARGV[5]: for how many milliseconds,
-- if not for ever.
if not ARGV[5] then
  redis.call('SET', KEYS[2], ARGV[4])
elseif tonumber(ARGV[5]) > 0 then
  redis.call('SET', KEYS[2], ARGV[4], 'PX', ARGV[5])
else
  redis.call('DEL', KEYS[2])
end
tell('kept', ARGV[3])
return 1
