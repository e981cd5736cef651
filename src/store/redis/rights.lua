-- Which of these commands may the user not run on this key and this channel? Nothing is run: Redis is only asked.
for at = 2, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[at], '%S+') do
    words[#words + 1] = (word == 'KEY' and KEYS[1]) or (word == 'CHANNEL' and ARGV[1]) or word
  end
  local known, allowed = pcall(redis.acl_check_cmd, unpack(words))
  if known and not allowed then
    return ARGV[at]
  end
end
return false
