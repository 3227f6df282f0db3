-- What the scripts know of turns.
--
-- A session's control hash has a field `l:<state>` for each lease and `w:<ticket>` for each call that waits:
--   lease:  { ticket, deadline, length, last, written }
--   waiter: { since, deadline, length, node, state.. }
-- Moments and lengths are in milliseconds (`since` in microseconds). A lease is lost after `deadline`, which lies at most
-- a `length` ahead, and is not renewed past `last`; `written` is 1 once somebody without the turn wrote the value. A
-- waiter is as good as gone after `deadline`. What is of another form is nobody's lease, and nobody who waits.
--
-- As a rule a session has one lease, for which nobody waits, and whose value nobody else writes. Then a text stands in
-- place of the hash, `<ticket> <length> <hold> <state>`, so that it is taken without a script, if nothing is there; its
-- key expires at the deadline, at most `hold` after it was taken or renewed. It becomes a hash when more must be known.

-- What stands there, if it is text.
local function text_at(key)
  local text = redis.pcall('GET', key)
  return type(text) == 'string' and text
end

-- A year: no lease is longer.
local LONGEST = 31622400000

local function is_number(value)
  return type(value) == 'number' and value >= 0 and value < 2 ^ 53
end

-- What holds until a moment: no later than its own length from now on, as after a clock that went back.
local function entry(packed)
  local is_packed, value = pcall(cmsgpack.unpack, packed)
  if not (is_packed and type(value) == 'table' and is_number(value[2]) and is_number(value[3])) then return nil end
  local latest = now + math.min(value[3], LONGEST)
  local is_ahead = value[2] > latest
  if is_ahead then value[2] = latest end
  return value, is_ahead
end

local function is_waiter(value)
  for at = 4, #value do
    if type(value[at]) ~= 'string' then return false end
  end
  return is_number(value[1]) and #value > 4
end

-- Whether a text stands in place of the hash.
local is_text = false

local function read_text(key)
  local ticket, length, hold, state = string.match(text_at(key) or '', '^(%S+) (%d+) (%d+) (.*)$')
  if not ticket then return nil end
  length, hold = math.min(tonumber(length), LONGEST), math.min(tonumber(hold), LONGEST)
  local whole = math.min(length, hold)
  local left = redis.call('PTTL', key)
  local is_ahead = left < 0 or left > whole
  if is_ahead then left = whole end
  return state, { ticket, now + left, length, now + left - whole + hold }, is_ahead
end

-- Each entry has a field of its own from now on: it is called before one is written.
local function as_entries(key, leases)
  if not is_text then return end
  is_text = false
  redis.call('DEL', key)
  for state, lease in pairs(leases) do
    redis.call('HSET', key, 'l:' .. state, cmsgpack.pack(lease))
    redis.call('PEXPIRE', key, math.max(lease[3] * 2, 60000))
  end
end

local function end_lease(key, leases, state)
  if is_text then redis.call('DEL', key) else redis.call('HDEL', key, 'l:' .. state) end
  leases[state] = nil
end

-- `ahead`: the entries, as pairs of field and value, whose deadlines were too far ahead.
local function read_control(key)
  local leases, waiters, ahead = {}, {}, {}
  local flat = redis.pcall('HGETALL', key)
  if flat.err then
    local state, lease, is_ahead = read_text(key)
    -- Then it is nothing of ours, and this says so.
    if not state then redis.call('HGETALL', key) end
    is_text, leases[state] = true, lease
    if is_ahead then ahead = { 'l:' .. state, cmsgpack.pack(lease) } end
    return leases, waiters, ahead
  end
  for i = 1, #flat, 2 do
    local kind, name = string.sub(flat[i], 1, 2), string.sub(flat[i], 3)
    local value, is_ahead = entry(flat[i + 1])
    if value and kind == 'l:' and type(value[1]) == 'string' and is_number(value[4]) then
      leases[name] = value
    elseif value and kind == 'w:' and is_waiter(value) then
      waiters[#waiters + 1] = { ticket = name, since = value[1], deadline = value[2], node = value[4],
                                states = { unpack(value, 5) } }
    else
      is_ahead = false
    end
    if is_ahead then
      ahead[#ahead + 1] = flat[i]
      ahead[#ahead + 1] = cmsgpack.pack(value)
    end
  end
  if #waiters > 1 then
    table.sort(waiters, function(a, b)
      if a.since ~= b.since then return a.since < b.since end
      return a.ticket < b.ticket
    end)
  end
  return leases, waiters, ahead
end

-- Wakes those who are first in all the lines they stand in; forgets those whose node is gone.
local function wake(key, leases, waiters, prefix)
  local taken = {}
  for state, lease in pairs(leases) do
    if lease[2] > now then taken[state] = true end
  end
  for _, waiter in ipairs(waiters) do
    if waiter.deadline <= now then
      redis.call('HDEL', key, 'w:' .. waiter.ticket)
    else
      local free = true
      for _, state in ipairs(waiter.states) do
        if taken[state] then free = false end
      end
      for _, state in ipairs(waiter.states) do
        taken[state] = true
      end
      if free then
        redis.call('PUBLISH', prefix .. 'node:' .. waiter.node, 'w ' .. waiter.ticket)
      end
    end
  end
end

-- Whether somebody stands in line for one of these states.
local function is_awaited(waiters, states)
  for _, waiter in ipairs(waiters) do
    if waiter.deadline > now then
      for _, state in ipairs(waiter.states) do
        if states[state] then return true end
      end
    end
  end
  return false
end

-- The session is gone: whoever waits for a turn of it looks, and sees that.
local function wake_all(waiters, prefix)
  for _, waiter in ipairs(waiters) do
    redis.call('PUBLISH', prefix .. 'node:' .. waiter.node, 'w ' .. waiter.ticket)
  end
end
