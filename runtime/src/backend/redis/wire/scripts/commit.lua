-- Commits, and ends the lease or keeps it for the next call of the same node. Everything is checked before anything
-- is written: Redis undoes nothing.
--
-- In a cluster the record of a changed id lies in another slot. So such a change takes three steps: `leave` makes all
-- checks, shuts the record for other commits for a while, and gives it; `create` puts the new one; `left` ends the
-- old one, unless it was opened again meanwhile.
--
-- What is not given is '': `expires` (with what it was reckoned from), `lasting` (the attributes of a new record),
-- `expiry` and `provisional` (which change; '-': to none), and `ticket` with all after it.
-- `keep` of the lease is '', 'yes' or 'unless awaited' by other nodes; the end is remembered for `recent_ms`.
local record, control, tokens, tombstone, new_record = unpack(KEYS, 1, 5)
local prefix, node, hidden, action, token, retried, expires, reckoned_expiry,
      reckoned_provisional, lasting, expiry, provisional, recent_ms,
      ticket, lease_token, keep, lease_ms, hold_ms, count = unpack(ARGV, 1, 19)
retried, recent_ms, lease_token = retried == '1', tonumber(recent_ms), tonumber(lease_token)
lease_ms, hold_ms, count = tonumber(lease_ms), tonumber(hold_ms), tonumber(count)
-- So many leased states follow, then four for each change: operation, field, new value, value that it was made from.
local first_state, changes = 20, 20 + count

-- How many commits of a session are remembered, and for how long, in ms.
local REMEMBERED, REMEMBERED_FOR = 1024, 60000

local ended = redis.call('GET', tombstone)
if redis.call('ZSCORE', tokens, token) or (ended and string.find(ended, token, 1, true)) then
  return { 'done' }
end
local exists = redis.call('EXISTS', record) == 1
local shut_by, shut_until = nil, nil
if exists then
  shut_by, shut_until = string.match(redis.call('HGET', record, 'l') or '', '^(%S+) (%d+)$')
end

local function finish(kind)
  local leases, waiters = read_control(control)
  wake_all(waiters, prefix)
  redis.call('DEL', control)
  redis.call('SET', tombstone, kind .. ' ' .. node .. ' ' .. token, 'PX', recent_ms)
  redis.call('PUBLISH', prefix .. 'events', kind .. ' ' .. node .. ' ' .. hidden)
end

if action == 'end' then
  if not exists then return { 'gone', ended } end
  redis.call('DEL', record)
  finish('E')
  return { 'done' }
end

if action == 'left' then
  if not exists then return { 'gone', ended } end
  if shut_by ~= token then return { 'lost' } end
  redis.call('DEL', record)
  finish('C')
  return { 'done' }
end

local leases, waiters
if action == 'create' then
  if exists then return { 'exists' } end
else
  if not exists then return { 'gone', ended } end
  if redis.call('HEXISTS', record, 'm') == 0 then return { 'broken' } end
  if shut_by and shut_by ~= token and tonumber(shut_until) > now then return { 'shut' } end
  if new_record and redis.call('EXISTS', new_record) == 1 then return { 'exists' } end
  if ticket ~= '' then
    leases, waiters = read_control(control)
    for i = first_state, changes - 1 do
      local lease = leases[ARGV[i]]
      if not (lease and lease[4] == ticket and lease[1] == lease_token and lease[2] > now) then
        -- A commit that took place also ends its lease: whether this one did may be forgotten by now.
        if retried and redis.call('ZCARD', tokens) >= REMEMBERED then return { 'unknown' } end
        return { 'lost' }
      end
    end
  end
  local conflict, current = false, { 'conflict' }
  for i = changes, #ARGV, 4 do
    local operation = ARGV[i]
    if operation == 'merge' or operation == 'begin' then
      local stored = redis.call('HGET', record, ARGV[i + 1])
      current[#current + 1] = stored
      if operation == 'begin' then
        conflict = conflict or stored
      else
        conflict = conflict or stored ~= ARGV[i + 3]
      end
    end
  end
  if conflict then return current end
  if action == 'leave' then
    redis.call('HSET', record, 'l', token .. ' ' .. integer(now + recent_ms / 2))
    return { 'left', redis.call('HGETALL', record) }
  end
  if shut_by then redis.call('HDEL', record, 'l') end
end

-- What is not as it was reckoned from was changed meanwhile, by somebody who wrote the moment that is right.
if exists and expires ~= '' then
  local function after(change, field)
    if change == '' then return redis.call('HGET', record, field) or '' end
    return change == '-' and '' or change
  end
  if after(expiry, 'e') ~= reckoned_expiry or after(provisional, 'p') ~= reckoned_provisional then
    expires = ''
  end
end

-- Nodes with sockets of the session look at it when it expires, as far as they know: sooner must be told.
local sooner = expires ~= '' and tonumber(redis.call('HGET', record, 'x') or 0) > tonumber(expires)

-- First what a full Redis refuses.
if lasting ~= '' then redis.call('HSET', record, 'm', lasting) end
if expiry ~= '' and expiry ~= '-' then redis.call('HSET', record, 'e', expiry) end
if provisional == '1' then redis.call('HSET', record, 'p', '1') end
if expires ~= '' then redis.call('HSET', record, 'x', expires) end
for i = changes, #ARGV, 4 do
  if ARGV[i] ~= 'remove' then redis.call('HSET', record, ARGV[i + 1], ARGV[i + 2]) end
end
for i = changes, #ARGV, 4 do
  if ARGV[i] == 'remove' then redis.call('HDEL', record, ARGV[i + 1]) end
end
if expiry == '-' then redis.call('HDEL', record, 'e') end
if provisional == '-' then redis.call('HDEL', record, 'p') end
if expires ~= '' then redis.call('PEXPIREAT', record, expires) end

if action == 'change' then
  if redis.call('EXISTS', record) == 1 then redis.call('RENAME', record, new_record) end
  finish('C')
  return { 'done' }
end

if sooner then
  redis.call('PUBLISH', prefix .. 'events', 'X ' .. node .. ' ' .. hidden .. ' ' .. expires)
end
redis.call('ZADD', tokens, now, token)
redis.call('ZREMRANGEBYSCORE', tokens, '-inf', now - REMEMBERED_FOR)
redis.call('ZREMRANGEBYRANK', tokens, 0, -REMEMBERED - 1)
redis.call('PEXPIRE', tokens, REMEMBERED_FOR)
if ticket == '' then return { 'done' } end
local ours = {}
for i = first_state, changes - 1 do
  ours[ARGV[i]] = leases[ARGV[i]]
end
local awaited = is_awaited(waiters, ours)
if keep == 'yes' or (keep == 'unless awaited' and not awaited) then
  for state, lease in pairs(ours) do
    -- The next call holds it from now on.
    lease[3] = math.max(lease[3], now + hold_ms)
    lease[2] = math.min(now + lease_ms, lease[3])
    redis.call('HSET', control, 'l:' .. state, cmsgpack.pack(lease))
  end
  redis.call('PEXPIRE', control, math.max(lease_ms * 2, 60000))
  return { 'done', awaited and 'awaited' or 'unawaited' }
end
for state in pairs(ours) do
  redis.call('HDEL', control, 'l:' .. state)
  leases[state] = nil
end
wake(control, leases, waiters, prefix)
return { 'done', 'ended' }
