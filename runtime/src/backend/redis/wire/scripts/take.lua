-- Takes all turns of a call, or a place in the line for them; and loads.
local record, control, tombstone = unpack(KEYS, 1, 3)
local ticket, node, lease_ms, hold_ms, count = unpack(ARGV, 1, 5)
lease_ms, hold_ms, count = tonumber(lease_ms), tonumber(hold_ms), tonumber(count)
-- So many states follow, then `*` or fields of the record, `m` first.
local first_state, first_field = 6, 6 + count
local last = now + hold_ms
local lease = { ticket, math.min(now + lease_ms, last), lease_ms, last }

local values, is_ours
if ARGV[first_field] == '*' then
  values = redis.call('HGETALL', record)
  is_ours = redis.call('HEXISTS', record, 'm') == 1
else
  values = redis.call('HMGET', record, unpack(ARGV, first_field))
  is_ours = values[1]
end
if not is_ours then
  -- It was taken before it was known.
  local text = text_at(control)
  if text and string.match(text, '^%S+') == ticket then redis.call('DEL', control) end
  if redis.call('EXISTS', record) == 1 then return { 'broken' } end
  return { 'gone', text_at(tombstone) }
end

local states, wanted = {}, {}
for i = 1, count do
  states[i] = ARGV[first_state + i - 1]
  wanted[states[i]] = true
end

local leases, waiters, ahead = read_control(control)
if #ahead > 0 then as_entries(control, leases) end
for i = 1, #ahead, 2 do
  redis.call('HSET', control, ahead[i], ahead[i + 1])
end
local is_granted, is_in_line, again_at, since = false, false, nil, now_us
local function blocked_until(moment)
  if not again_at or moment < again_at then again_at = moment end
end
for _, state in ipairs(states) do
  local held = leases[state]
  if held and held[2] > now then
    -- The answer that granted it may have been lost: it is granted again.
    if held[1] == ticket then is_granted = true else blocked_until(held[2]) end
  end
end
if not is_granted then
  for _, waiter in ipairs(waiters) do
    if waiter.ticket == ticket then
      is_in_line, since = true, waiter.since
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
  local waiter = { since, now + lease_ms, lease_ms, node, unpack(states) }
  as_entries(control, leases)
  redis.call('HSET', control, 'w:' .. ticket, cmsgpack.pack(waiter))
  redis.call('PEXPIRE', control, math.max(lease_ms * 2, 60000))
  return { 'wait', again_at - now }
end

if not is_granted then
  as_entries(control, leases)
  for _, state in ipairs(states) do
    redis.call('HSET', control, 'l:' .. state, cmsgpack.pack(lease))
  end
  if is_in_line then redis.call('HDEL', control, 'w:' .. ticket) end
  redis.call('PEXPIRE', control, math.max(lease_ms * 2, 60000))
end
return { 'granted', values }
