-- Adds an account. With an invitation that is used up, and its role counts.
-- KEYS[1]: the accounts; KEYS[2]: the administrators; KEYS[3]: the invitation, if there is one.
-- ARGV[1]: the folded name; ARGV[2]: the name; ARGV[3]: the role; ARGV[4]: the hash of the password.
-- Answers the account's JSON, or what is wrong: `invitation` or `taken`.
local role = ARGV[3]
if KEYS[3] then
  role = redis.call('GET', KEYS[3])
  if not role then
    return 'invitation'
  end
end
-- Also by an account that cannot be read.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
  return 'taken'
end
local account = {
  name = ARGV[2], role = role, password_hash = ARGV[4], disabled = false, token_epoch = 0, created_at = now_ms(),
}
local json = cjson.encode(account)
if KEYS[3] then
  redis.call('DEL', KEYS[3])
end
redis.call('HSET', KEYS[1], ARGV[1], json)
note_admin(KEYS[2], ARGV[1], account)
return json
