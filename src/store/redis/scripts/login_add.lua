-- Keeps a sign-in session of an account that is as it was when its holder proved who they are.
-- KEYS[1]: the accounts; KEYS[2]: the session; KEYS[3]: all of the account, by their end.
-- ARGV[1]: the folded name; ARGV[2]: the token epoch; ARGV[3]: the session's digest; ARGV[4]: its end;
-- ARGV[5]: sessions that an account may have; ARGV[6]: what the keys of sign-in sessions begin with.
-- Answers 0 where there is no such account any more.
local account = account_of(redis.call('HGET', KEYS[1], ARGV[1]))
if not account or account.disabled or account.token_epoch ~= tonumber(ARGV[2]) then
  return 0
end
local now, ends = now_ms(), tonumber(ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
if ends <= now then
  return 1
end
redis.call('SET', KEYS[2], ARGV[1], 'PXAT', ARGV[4])
-- They go with the one that lasts longest.
local left = redis.call('PTTL', KEYS[3])
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
if left < 0 or now + left < ends then
  redis.call('PEXPIREAT', KEYS[3], ARGV[4])
end
-- All last equally long, so the one that ends first is the oldest.
local surplus = redis.call('ZCARD', KEYS[3]) - tonumber(ARGV[5])
if surplus > 0 then
  for _, digest in ipairs(redis.call('ZRANGE', KEYS[3], 0, surplus)) do
    if surplus > 0 and digest ~= ARGV[3] then
      redis.call('DEL', ARGV[6] .. digest)
      redis.call('ZREM', KEYS[3], digest)
      surplus = surplus - 1
    end
  end
end
return 1
