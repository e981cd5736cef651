-- An owner renews its time, or takes part anew.
-- KEYS: owners, epoch, assured:RUN
-- ARGV: owner, its time in ms, epoch that is known ('' for none), an epoch to begin with, whether it is new, whether it is
--       known what this run of Redis is called: then this owner has assured what its people have seen
-- Answers {state, until, epoch, missing}: state is 0 for held, 1 for lapsed, 2 for another store than was known; missing is
-- whether other owners have not assured what their people have seen: 0 none, 1 some whose time is over, 2 some whose is not.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local epoch = redis.call('GET', KEYS[2])
if ARGV[3] ~= '' and epoch ~= ARGV[3] then
  return {2, 0, epoch or '', 0}
end
if not epoch then
  epoch = ARGV[4]
  redis.call('SET', KEYS[2], epoch)
end
if ARGV[5] ~= '1' and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return {1, 0, epoch, 0}
end
local ends = now + tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], string.format('%.0f', ends), ARGV[1])
local missing = 0
if ARGV[6] == '1' then
  redis.call('SADD', KEYS[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[3], 3600000)
  local owners = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
  for i = 1, #owners, 2 do
    if redis.call('SISMEMBER', KEYS[3], owners[i]) == 0 then
      missing = math.max(missing, tonumber(owners[i + 1]) > now and 2 or 1)
    end
  end
end
return {0, ends, epoch, missing}
