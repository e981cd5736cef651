-- Stands before every other script.

-- Redis's own time, in milliseconds since the Unix epoch.
local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Tells all nodes of a change. KEYS[1] is the stream `changes`; ARGV[1] is PUBLISH or, in a Cluster, SPUBLISH; ARGV[2]
-- the channel `changed`.
local function tell(kind, subject)
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', 10000, '*', 'k', kind, 's', subject)
  redis.call(ARGV[1], ARGV[2], '')
end

-- An account out of its JSON; nil where there is none or its JSON is damaged.
local function account_of(json)
  local read, account = pcall(cjson.decode, json or '')
  if read and type(account) == 'table' and type(account.name) == 'string' then
    return account
  end
  return nil
end

-- Notes down whether somebody is an administrator who is not disabled. `admins` is the set of them.
local function note_admin(admins, name_key, account)
  if account.role == 'admin' and not account.disabled then
    redis.call('SADD', admins, name_key)
  else
    redis.call('SREM', admins, name_key)
  end
end

