-- Renews the leases of a call that are not lost. Gives how many are left.
local control = unpack(KEYS, 1, 1)
local ticket, lease_ms = unpack(ARGV, 1, 2)
lease_ms = tonumber(lease_ms)

local renewed = 0
local leases = read_control(control)
for state, lease in pairs(leases) do
  if lease[1] == ticket and lease[2] > now then
    lease[2], lease[3] = math.min(now + lease_ms, lease[4]), lease_ms
    as_entries(control, leases)
    redis.call('HSET', control, 'l:' .. state, cmsgpack.pack(lease))
    renewed = renewed + 1
  end
end
if renewed > 0 then
  redis.call('PEXPIRE', control, math.max(lease_ms * 2, 60000))
end
return renewed
