-- An owner is going to hold leases in these rooms; whoever ends them looks there.
-- KEYS: owners, owned:OWNER   ARGV: owner, rooms...
-- Answers 1, or 0 where the owner has lapsed.
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  return 0
end
redis.call('SADD', KEYS[2], unpack(ARGV, 2))
return 1
