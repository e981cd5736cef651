-- Forgets what is kept under a name. KEYS[2]: where. ARGV[3]: the name.
if redis.call('DEL', KEYS[2]) == 1 then
  tell('kept', ARGV[3])
end
return 1
