-- Puts a room on the list, unless it is full.
-- KEYS[1]: the list. ARGV[1]: the room; ARGV[2]: rooms that there may be.
-- Answers the time of its making; 0 where there are too many.
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
local now = now_ms()
redis.call('ZADD', KEYS[1], now, ARGV[1])
return now
