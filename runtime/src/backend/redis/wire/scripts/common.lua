-- Prepended to the scripts that know of turns. All keys of a call are of one session, and so in one slot.
--
-- A session's control hash has a field `l:<state>` for each lease and `w:<ticket>` for each call that waits:
--   lease:  { token, deadline, last, ticket }   in milliseconds: lost after `deadline`, not renewed past `last`
--   waiter: { since, deadline, node, state.. }  as good as gone after `deadline`
-- Redis's own clock is the only one.

local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)

-- Lua's own conversion gives 1.7e+15.
local function integer(number)
  return string.format('%.0f', number)
end

local function read_control(key)
  local leases, waiters = {}, {}
  local flat = redis.call('HGETALL', key)
  for i = 1, #flat, 2 do
    local kind, name = string.sub(flat[i], 1, 2), string.sub(flat[i], 3)
    local value = cmsgpack.unpack(flat[i + 1])
    if kind == 'l:' then
      leases[name] = value
    elseif kind == 'w:' then
      waiters[#waiters + 1] = { ticket = name, since = value[1], deadline = value[2], node = value[3],
                                states = { unpack(value, 4) } }
    end
  end
  table.sort(waiters, function(a, b)
    if a.since ~= b.since then return a.since < b.since end
    return a.ticket < b.ticket
  end)
  return leases, waiters
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
