-- Commits, and ends the lease or keeps it for the next call of the same node. Everything is read and checked before
-- anything is written: Redis undoes nothing.
--
-- In a cluster the record of a changed id lies in another slot. So such a change takes three steps: `leave` makes all
-- checks, shuts the record for other commits for a while, and gives it; `create` puts the new one; `left` ends the
-- old one, unless it was opened again meanwhile.
--
-- What is not given is '': `expires` (with what it was reckoned from), `lasting` (the attributes of a new record),
-- `expiry` and `provisional` (which change; '-': to none), and `ticket` with all after it. `keep` of the lease is '',
-- 'yes' or 'unless awaited' by other nodes; the end is remembered for `recent_ms`; the token of a commit for
-- `REMEMBERED_FOR` milliseconds, unless another one came to its `slot`.
local record, control, tokens, tombstone, new_record = unpack(KEYS, 1, 5)
local action, token, slot, retried, expires, reckoned_expiry, reckoned_provisional, node, lasting, expiry,
      provisional, recent_ms, ticket, keep, lease_ms, hold_ms, count = unpack(arguments, 1, 17)
-- So many leased states follow, then four for each change: operation, field, new value, value that it was made from.
local first_state, changes = 18, 18 + count
local REMEMBERED_FOR = 60000
recent_ms, lease_ms, hold_ms = tonumber(recent_ms), tonumber(lease_ms), tonumber(hold_ms)

local is_ours, shut, own_expiry, is_provisional, expired_at, is_heard =
  unpack(redis.call('HMGET', record, 'm', 'l', 'e', 'p', 'x', 'w'))

-- Its answer may have been lost, and this is a second sending, or one that was late: it is not carried out again.
local function took_place()
  if redis.pcall('HGET', tokens, slot) == token then return true end
  local ended = text_at(tombstone)
  return ended and string.match(ended, '%S+$') == token
end

local function refuse(word)
  if took_place() then return { 'done' } end
  return { word }
end

local function gone()
  if took_place() then return { 'done' } end
  return { 'gone', text_at(tombstone) }
end

local exists = is_ours or redis.call('EXISTS', record) == 1
local shut_by, shut_until = string.match(shut or '', '^(%S+) (%d+)$')
shut_until = tonumber(shut_until) or 0

local prefix, hidden = string.match(record, '^(.*){([^{}]*)}$')

local function finish(kind, waiters)
  redis.call('DEL', control)
  redis.call('SET', tombstone, kind .. ' ' .. node .. ' ' .. token, 'PX', recent_ms)
  redis.call('PUBLISH', prefix .. 'events', kind .. ' ' .. node .. ' ' .. hidden)
  wake_all(waiters, prefix)
end

-- Nobody who ends a session is held up by what lies there in place of its turns.
local function whoever_waits()
  local is_control, _, waiters = pcall(read_control, control)
  return is_control and waiters or {}
end

if action == 'end' or action == 'revoke' or action == 'left' then
  if not exists then return gone() end
  if action == 'left' and shut_by ~= token then return refuse('lost') end
  local waiters = whoever_waits()
  redis.call('DEL', record)
  finish(({ ['end'] = 'E', revoke = 'R', left = 'C' })[action], waiters)
  return { 'done' }
end

local leases, waiters = {}, {}
local ours = {}
if action == 'create' then
  if exists then return refuse('exists') end
  -- It took place, and the session has ended since.
  if retried == '1' and took_place() then return { 'gone', text_at(tombstone) } end
else
  if not exists then return gone() end
  if not is_ours then return refuse('broken') end
  -- Its clock may have gone back, and nobody shuts it for longer.
  local is_shut = shut_until > now and shut_until <= now + recent_ms
  if shut_by and shut_by ~= token and is_shut then return refuse('shut') end
  if new_record and redis.call('EXISTS', new_record) == 1 then return refuse('exists') end
  leases, waiters = read_control(control)
  for i = first_state, changes - 1 do
    local lease = leases[arguments[i]]
    -- A commit ends its lease: so one that took place is here, too.
    if not (lease and lease[1] == ticket and lease[2] > now) then
      if retried == '1' and redis.call('HEXISTS', tokens, slot) == 1 then return refuse('unknown') end
      return refuse('lost')
    end
    ours[arguments[i]] = lease
  end
  -- Where the lease goes on, or there is none, nothing else tells.
  if (ticket == '' or keep ~= '') and took_place() then return { 'done' } end
  -- A value that was loaded with its turn is still that, unless somebody without the turn wrote it.
  local conflict = false
  for i = changes, #arguments, 4 do
    local operation, field = arguments[i], arguments[i + 1]
    if operation == 'held' then
      local lease = ours[string.sub(field, 3)]
      conflict = conflict or not lease or lease[5] == 1
    elseif operation == 'merge' or operation == 'begin' then
      local stored = redis.call('HGET', record, field)
      conflict = conflict or stored ~= (operation == 'merge' and arguments[i + 3])
    end
  end
  if conflict then
    local current = { 'conflict' }
    for i = changes, #arguments, 4 do
      local operation = arguments[i]
      if operation ~= 'set' and operation ~= 'remove' then
        current[#current + 1] = redis.call('HGET', record, arguments[i + 1])
      end
    end
    return current
  end
  if action == 'leave' then
    redis.call('HSET', record, 'l', token .. ' ' .. string.format('%.0f', now + recent_ms / 2))
    return { 'left', redis.call('HGETALL', record) }
  end
end

-- What is not as it was reckoned from was changed meanwhile, by somebody who wrote the moment that is right.
if exists and expires ~= '' then
  local function after(change, stored)
    if change == '' then return stored or '' end
    return change == '-' and '' or change
  end
  if after(expiry, own_expiry) ~= reckoned_expiry or after(provisional, is_provisional) ~= reckoned_provisional then
    expires = ''
  end
end

local sets, removals = {}, {}
local function set(field, value)
  sets[#sets + 1] = field
  sets[#sets + 1] = value
end
local function remove(field)
  removals[#removals + 1] = field
end
if lasting ~= '' then set('m', lasting) end
if expiry == '-' then remove('e') elseif expiry ~= '' then set('e', expiry) end
if provisional == '-' then remove('p') elseif provisional ~= '' then set('p', provisional) end
if expires ~= '' then set('x', expires) end
if shut_by then remove('l') end
local written = {}
for i = changes, #arguments, 4 do
  local field = arguments[i + 1]
  if arguments[i] == 'remove' then remove(field) else set(field, arguments[i + 2]) end
  local state = string.sub(field, 3)
  if leases[state] and not ours[state] then written[state] = leases[state] end
end

-- Lua takes only so many at once.
local function in_parts(command, list)
  for i = 1, #list, 1000 do
    redis.call(command, record, unpack(list, i, math.min(i + 999, #list)))
  end
end
-- First what a full Redis refuses, and where something else may lie.
if action ~= 'change' then
  redis.call('HSET', tokens, slot, token)
  redis.call('PEXPIRE', tokens, REMEMBERED_FOR)
end
in_parts('HSET', sets)
in_parts('HDEL', removals)
if expires ~= '' then redis.call('PEXPIREAT', record, expires) end

if action == 'change' then
  if redis.call('EXISTS', record) == 1 then redis.call('RENAME', record, new_record) end
  finish('C', waiters)
  return { 'done' }
end

-- Nodes with sockets of the session look at it when it expires, as far as they know: sooner must be told.
if expires ~= '' and (tonumber(expired_at) or 0) > tonumber(expires) then
  redis.call('PUBLISH', prefix .. 'events', 'X ' .. node .. ' ' .. hidden .. ' ' .. expires)
end
if is_heard and changes <= #arguments then tell_followers(record, node) end
-- Whoever has the turn of what was written is told at its commit.
for state, lease in pairs(written) do
  if lease[2] > now and lease[5] ~= 1 then
    lease[5] = 1
    as_entries(control, leases)
    redis.call('HSET', control, 'l:' .. state, cmsgpack.pack(lease))
  end
end
if ticket == '' then return { 'done' } end
local awaited = is_awaited(waiters, ours)
if keep == 'yes' or (keep == 'unless awaited' and not awaited) then
  as_entries(control, leases)
  for state, lease in pairs(ours) do
    -- The next call holds it from now on.
    lease[4] = math.max(lease[4], now + hold_ms)
    lease[2], lease[3] = math.min(now + lease_ms, lease[4]), lease_ms
    redis.call('HSET', control, 'l:' .. state, cmsgpack.pack(lease))
  end
  redis.call('PEXPIRE', control, math.max(lease_ms * 2, 60000))
  return { 'done', awaited and 'awaited' or 'unawaited' }
end
for state in pairs(ours) do
  end_lease(control, leases, state)
end
wake(control, leases, waiters, prefix)
return { 'done', 'ended' }
