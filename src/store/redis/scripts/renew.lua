-- An owner renews its time, or takes part anew.
-- KEYS: owners, epoch, assured:RUN, lapsed
-- ARGV: owner, its time in ms, epoch that is known ('' for none), an epoch to begin with, whether it is new, whether it is
--       known what this run of Redis is called (then the owner has assured what its people have seen), the owner's name
--       under the run before ('' for none), which lapses
-- Answers {state, until, now, epoch, awaited}: state is 0 for held, 1 for lapsed, 2 for another store than was known;
-- awaited is 1 while another owner has not assured what its people have seen.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local epoch = redis.call('GET', KEYS[2])
if ARGV[3] ~= '' and epoch ~= ARGV[3] then
  return {2, 0, now, epoch or '', 0}
end
if not epoch then
  epoch = ARGV[4]
  redis.call('SET', KEYS[2], epoch)
end
if ARGV[5] ~= '1' and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return {1, 0, now, epoch, 0}
end
local ends = now + tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', ends), ARGV[1])
local awaited = 0
if ARGV[6] == '1' then
  if ARGV[5] == '1' and ARGV[7] ~= '' and redis.call('ZREM', KEYS[1], ARGV[7]) == 1 then
    redis.call('SADD', KEYS[4], ARGV[7])
  end
  redis.call('SADD', KEYS[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[3], 3600000)
  for _, owner in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], string.format('%.0f', now), '+inf')) do
    if redis.call('SISMEMBER', KEYS[3], owner) == 0 then
      awaited = 1
    end
  end
end
return {0, ends, now, epoch, awaited}
