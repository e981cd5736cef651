-- Owners that have not renewed their time lapse, once and for all. Answers all whose leases are still to be ended.
-- KEYS: owners, lapsed   ARGV: how much longer than their time they are left, in ms
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - tonumber(ARGV[1])))
for _, owner in ipairs(over) do
  redis.call('ZREM', KEYS[1], owner)
  redis.call('SADD', KEYS[2], owner)
end
return redis.call('SMEMBERS', KEYS[2])
