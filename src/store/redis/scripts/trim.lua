-- Takes away the oldest entries of a room that were appended before a time, a few at a time.
-- KEYS: room, log   ARGV: the time in ms, how many to look at
-- Answers how many were taken away.
local head = redis.call('HMGET', KEYS[1], 'first', 'last')
if not head[1] then
  return 0
end
local first, gone = tonumber(head[1]), 0
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[2])) do
  local offset, sent_at = string.match(entry[2][2], '^(%S+) (%S+)')
  if tonumber(sent_at) >= tonumber(ARGV[1]) then
    break
  end
  first, gone = tonumber(offset) + 1, gone + 1
end
if gone > 0 then
  redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', first))
  redis.call('HSET', KEYS[1], 'first', string.format('%.0f', first))
end
return gone
