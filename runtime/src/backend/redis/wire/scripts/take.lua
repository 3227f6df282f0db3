-- Takes all turns of a call, or a place in the line for them; and loads.
local record, control, tombstone = unpack(KEYS, 1, 3)
local prefix, ticket, node, lease_ms, hold_ms, count = unpack(ARGV, 1, 6)
lease_ms, hold_ms, count = tonumber(lease_ms), tonumber(hold_ms), tonumber(count)
-- So many states follow, then `*` or fields of the record.
local first_state, first_field = 7, 7 + count

if redis.call('EXISTS', record) == 0 then
  return { 'gone', redis.call('GET', tombstone) }
end
if redis.call('HEXISTS', record, 'm') == 0 then
  return { 'broken' }
end

local states, wanted = {}, {}
for i = 1, count do
  states[i] = ARGV[first_state + i - 1]
  wanted[states[i]] = true
end

local leases, waiters = read_control(control)
local token, again_at, since = nil, nil, now_us
local function blocked_until(moment)
  if not again_at or moment < again_at then again_at = moment end
end
for _, state in ipairs(states) do
  local lease = leases[state]
  if lease and lease[2] > now then
    -- The answer that granted it may have been lost: it is granted again.
    if lease[4] == ticket then token = lease[1] else blocked_until(lease[2]) end
  end
end
if not token then
  for _, waiter in ipairs(waiters) do
    if waiter.ticket == ticket then
      since = waiter.since
      break
    end
    if waiter.deadline > now then
      for _, state in ipairs(waiter.states) do
        if wanted[state] then blocked_until(waiter.deadline) end
      end
    end
  end
end

if again_at then
  redis.call('HSET', control, 'w:' .. ticket, cmsgpack.pack({ since, now + lease_ms, node, unpack(states) }))
  redis.call('PEXPIRE', control, math.max(lease_ms * 2, 60000))
  return { 'wait', again_at - now }
end

if not token then
  -- Larger than any before it, also after Redis lost its last second of writes.
  token = math.max(tonumber(redis.call('HGET', record, 'f') or 0) + 1, now_us)
  local last = now + hold_ms
  local lease = cmsgpack.pack({ token, math.min(now + lease_ms, last), last, ticket })
  for _, state in ipairs(states) do
    redis.call('HSET', control, 'l:' .. state, lease)
  end
  redis.call('HSET', record, 'f', integer(token))
  redis.call('HDEL', control, 'w:' .. ticket)
  redis.call('PEXPIRE', control, math.max(lease_ms * 2, 60000))
end

local fields = { unpack(ARGV, first_field) }
if fields[1] == '*' then
  return { 'granted', token, redis.call('HGETALL', record) }
end
local values = redis.call('HMGET', record, unpack(fields))
local flat = {}
for i, field in ipairs(fields) do
  if values[i] then
    flat[#flat + 1] = field
    flat[#flat + 1] = values[i]
  end
end
return { 'granted', token, flat }
