-- Changes one thing of an account, and ends its sessions where that takes a right away: the token epoch rises, the
-- sign-in sessions go, and all nodes are told.
-- KEYS[2]: the accounts; KEYS[3]: the administrators; KEYS[4]: the account's sign-in sessions.
-- ARGV[3]: the folded name; ARGV[4]: what is changed; ARGV[5]: its JSON; ARGV[6]: 1 where the sessions end;
-- ARGV[7]: what the keys of sign-in sessions begin with.
-- Answers 0 where there is no such account.
local account = account_of(redis.call('HGET', KEYS[2], ARGV[3]))
if not account then
  return 0
end
account[ARGV[4]] = cjson.decode(ARGV[5])
if ARGV[6] == '1' then
  account.token_epoch = (tonumber(account.token_epoch) or 0) + 1
  for _, digest in ipairs(redis.call('ZRANGE', KEYS[4], 0, -1)) do
    redis.call('DEL', ARGV[7] .. digest)
  end
  redis.call('DEL', KEYS[4])
  tell('sessions-ended', account.name)
end
redis.call('HSET', KEYS[2], ARGV[3], cjson.encode(account))
note_admin(KEYS[3], ARGV[3], account)
return 1
