-- One turn: what several people do in one room, or one person in several rooms at once, in this order and all at
-- once. Asked for twice with the same number it happens once, and is answered the same. One that comes after a later
-- turn of its process in the room was given up long ago, and nothing happens. A number of 0 is looked at in no such way:
-- what such a turn does can be done twice.
--
-- KEYS: for each room six: room, log, people, ids, ids:before, done:PROCESS
-- ARGV: number, end of the owner's time (ms; 0 where nobody enters), entries to keep (0: all), publishing command,
--       whether it is all or nothing, then for each room: channel, greatest offset seen, number of acts, and the acts:
--         say    sender id text
--         enter  name lease after notice      (after: -1 for none)
--         leave  name lease notice
-- Answers {1, room...}, or {0} when the owner's time is over, or {2} when it comes too late. A room is {0} when there is none, or {1, act...}:
--         say {offset, known already}  enter {1, last, first, missing, announced, people, keeps history} or {0, last}  leave {}

local DAY, AHEAD_MAX, SPARE, DONE_MS = 86400000, 300000, 64, 120000

local at = 0
local function take()
  at = at + 1
  return ARGV[at]
end

local number, owned_until, keep, publish, joint = take(), tonumber(take()), tonumber(take()), take(), take() == '1'
for k = 6, number == '0' and 0 or #KEYS, 6 do
  local before = redis.call('GET', KEYS[k])
  if before then
    local done = cmsgpack.unpack(before)
    if done[1] == number then
      return done[2]
    end
    if tonumber(done[1]) > tonumber(number) then
      return {2}
    end
  end
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if owned_until > 0 and now >= owned_until then
  return {0}
end

local function integer(value)
  return string.format('%.0f', value)
end

-- Whether `leases`, a list with spaces, has this one.
local function holds(leases, lease)
  return string.find(' ' .. leases .. ' ', ' ' .. lease .. ' ', 1, true) ~= nil
end

local function without(leases, lease)
  local left = {}
  for held in string.gmatch(leases, '%S+') do
    if held ~= lease then
      left[#left + 1] = held
    end
  end
  return table.concat(left, ' ')
end

-- The acts in one room.
local function turn(key, log, people, ids, ids_before, channel, seen, acts)
  local head = redis.call('HMGET', key, 'last', 'first', 'last_at', 'history', 'ids_since')
  local last, first, last_at = tonumber(head[1]), tonumber(head[2]), tonumber(head[3])
  local keeps, ids_since = head[4] ~= 'off', tonumber(head[5])
  local news, answers, moved = {}, {1}, false

  -- Somebody has seen offsets that this Redis has lost: they are never given out again.
  if seen > last then
    if first > last then
      first = seen + 1
    end
    last, moved = seen, true
  end

  local function append(kind, sender, id, text)
    local count = redis.call('HLEN', people)
    last, moved = last + 1, true
    if last_at > now + AHEAD_MAX then
      last_at = now
    else
      last_at = math.max(last_at, now)
    end
    local record = string.format('%s %s %d %s %d %d %d\n', integer(last), integer(last_at), count, kind, #sender, #id, #text)
      .. sender .. id .. text
    if keeps then
      redis.call('XADD', log, integer(last) .. '-0', 'r', record)
    else
      first = last + 1
    end
    news[#news + 1] = record
  end

  local function say(sender, id, text)
    local mine = #sender .. ':' .. sender .. id
    if id ~= '' then
      local offset = redis.call('HGET', ids, mine) or redis.call('HGET', ids_before, mine)
      if offset then
        return {tonumber(offset), 1}
      end
    end
    append('T', sender, id, text)
    if id ~= '' then
      if not ids_since or now - ids_since > DAY then
        redis.call('DEL', ids_before)
        if redis.call('EXISTS', ids) == 1 then
          redis.call('RENAME', ids, ids_before)
        end
        ids_since = now
        redis.call('HSET', key, 'ids_since', integer(now))
        redis.call('HSET', ids, mine, integer(last))
        redis.call('PEXPIRE', ids, 2 * DAY)
      else
        redis.call('HSET', ids, mine, integer(last))
      end
    end
    return {last, 0}
  end

  local function enter(name, lease, after, notice)
    if after > last then
      return {0, last}
    end
    local leases, announced = redis.call('HGET', people, name), 0
    if not leases then
      redis.call('HSET', people, name, lease)
      append('E', '', '', notice)
      announced = 1
    elseif not holds(leases, lease) then
      redis.call('HSET', people, name, leases .. ' ' .. lease)
    end
    local missing = keeps and last - first + 1 - redis.call('XLEN', log) or 0
    return {1, last, keeps and first or last + 1, missing, announced, redis.call('HLEN', people), keeps and 1 or 0}
  end

  local function leave(name, lease, notice)
    local leases = redis.call('HGET', people, name)
    if leases and holds(leases, lease) then
      local left = without(leases, lease)
      if left == '' then
        redis.call('HDEL', people, name)
        append('Q', '', '', notice)
      else
        redis.call('HSET', people, name, left)
      end
    end
    return {}
  end

  for _ = 1, acts do
    local act = take()
    if act == 'say' then
      answers[#answers + 1] = say(take(), take(), take())
    elseif act == 'enter' then
      answers[#answers + 1] = enter(take(), take(), tonumber(take()), take())
    else
      answers[#answers + 1] = leave(take(), take(), take())
    end
  end

  if keeps and keep > 0 and last - first + 1 >= keep + SPARE then
    -- Where offsets are missing, entries are counted.
    local entries = redis.call('XLEN', log)
    if entries >= last - first + 1 then
      first = last - keep + 1
      redis.call('XTRIM', log, 'MINID', integer(first) .. '-0')
    elseif entries >= keep + SPARE then
      redis.call('XTRIM', log, 'MAXLEN', integer(keep))
      local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)
      first = tonumber(string.match(oldest[1][1], '^%d+'))
    end
  end
  if moved then
    redis.call('HSET', key, 'last', integer(last), 'first', integer(first), 'last_at', integer(last_at))
  end
  if #news > 0 then
    redis.call(publish, channel, table.concat(news))
  end
  return answers
end

-- Passes by the acts in a room that is not there.
local SIZES = {say = 3, enter = 4, leave = 3}
local function pass(acts)
  for _ = 1, acts do
    local act = take()
    at = at + SIZES[act]
  end
end

if joint then
  for k = 1, #KEYS, 6 do
    if redis.call('HEXISTS', KEYS[k], 'last') == 0 then
      return {1, {0}}
    end
  end
end

local answers = {1}
for k = 1, #KEYS, 6 do
  local channel, seen, acts = take(), tonumber(take()), tonumber(take())
  if redis.call('HEXISTS', KEYS[k], 'last') == 1 then
    answers[#answers + 1] = turn(KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], KEYS[k + 4], channel, seen, acts)
  else
    pass(acts)
    answers[#answers + 1] = {0}
  end
end
if number ~= '0' then
  local done = cmsgpack.pack({number, answers})
  for k = 6, #KEYS, 6 do
    redis.call('SET', KEYS[k], done, 'PX', DONE_MS)
  end
end
return answers
