-- Takes all turns of a call, or a place in the line for them; and loads.
local record, control, tombstone = unpack(KEYS, 1, 3)
local ticket, node, lease_ms, hold_ms, count = unpack(ARGV, 1, 5)
lease_ms, hold_ms, count = tonumber(lease_ms), tonumber(hold_ms), tonumber(count)
-- So many states follow, then `*` or fields of the record, `m` first.
local first_state, first_field = 6, 6 + count
local last = now + hold_ms
local lease = { ticket, math.min(now + lease_ms, last), lease_ms, last }

-- As a rule nobody has or wants a turn of the session: the rest of the script would find nothing else.
if count == 1 and ARGV[first_field] ~= '*' and redis.call('EXISTS', control) == 0 then
  local values = redis.call('HMGET', record, unpack(ARGV, first_field))
  if values[1] then
    redis.call('HSET', control, 'l:' .. ARGV[first_state], cmsgpack.pack(lease))
    redis.call('PEXPIRE', control, math.max(lease_ms * 2, 60000))
    return { 'granted', values }
  end
end

