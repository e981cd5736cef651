-- An owner renews its time, or takes part anew.
-- KEYS: owners, epoch   ARGV: owner, its time in ms, epoch that is known ('' for none), an epoch to begin with, whether it is new
-- Answers {state, until, now, epoch}: state is 0 for held, 1 for lapsed, 2 for another store than was known.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local epoch = redis.call('GET', KEYS[2])
if ARGV[3] ~= '' and epoch ~= ARGV[3] then
  return {2, 0, now, epoch or ''}
end
if not epoch then
  epoch = ARGV[4]
  redis.call('SET', KEYS[2], epoch)
end
if ARGV[5] ~= '1' and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return {1, 0, now, epoch}
end
local ends = now + tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', ends), ARGV[1])
return {0, ends, now, epoch}
