-- Keys of the slot {all}, some at a time: a script goes to the server of its slot, which SCAN by itself does not.
-- KEYS[1]: any of them. ARGV[1]: where to go on; ARGV[2]: what they look like. Answers where to go on, and the keys.
return redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000)
