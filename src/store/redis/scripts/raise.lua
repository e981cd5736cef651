-- Somebody has seen an offset: it is never given out again, even if this Redis has lost what stood there.
-- KEYS: room   ARGV: the greatest offset that somebody has seen
-- Answers how many offsets were lost.
local head = redis.call('HMGET', KEYS[1], 'last', 'first')
local last, first, seen = tonumber(head[1]), tonumber(head[2]), tonumber(ARGV[1])
if not last or seen <= last then
  return 0
end
if first > last then
  first = seen + 1
end
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', seen), 'first', string.format('%.0f', first))
return seen - last
