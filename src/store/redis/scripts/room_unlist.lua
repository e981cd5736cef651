-- Takes rooms that are gone off the list, and tells it of each.
-- KEYS[2]: the list. ARGV[3]: only those that were made longer ago than this, in milliseconds; from ARGV[4] on: the rooms.
-- Answers how many they were.
local now, count = now_ms(), 0
for i = 4, #ARGV do
  local made = redis.call('ZSCORE', KEYS[2], ARGV[i])
  if made and now - tonumber(made) >= tonumber(ARGV[3]) then
    redis.call('ZREM', KEYS[2], ARGV[i])
    tell('room-deleted', ARGV[i])
    count = count + 1
  end
end
return count
