-- Deletes what is kept about a room; no later turn finds it.
-- KEYS[1]: the room's hash; the others: the rest. Answers 0 where there was no such room.
local there = redis.call('EXISTS', KEYS[1])
redis.call('UNLINK', unpack(KEYS))
return there
