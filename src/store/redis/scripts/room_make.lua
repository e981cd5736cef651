-- Makes a room that is on the list.
-- KEYS[1]: the room's hash. ARGV[1]: its name; ARGV[2]: on or off; ARGV[3]: the time of its making; ARGV[4]: for how
-- long after that it can be made, in milliseconds.
-- Answers 0 where that is over: whoever lists rooms may have taken it off the list again.
if now_ms() - tonumber(ARGV[3]) > tonumber(ARGV[4]) then
  return 0
end
redis.call('HSET', KEYS[1], 'name', ARGV[1], 'history', ARGV[2], 'created_at', ARGV[3], 'first', 1, 'last', 0,
  'last_at', ARGV[3])
return 1
