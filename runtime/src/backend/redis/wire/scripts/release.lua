-- Ends the leases of a call, and its waiting.
local control = unpack(KEYS, 1, 1)
local prefix, ticket = unpack(ARGV, 1, 2)

local leases, waiters = read_control(control)
for state, lease in pairs(leases) do
  if lease[1] == ticket then
    end_lease(control, leases, state)
  end
end
for i = #waiters, 1, -1 do
  if waiters[i].ticket == ticket then
    redis.call('HDEL', control, 'w:' .. ticket)
    table.remove(waiters, i)
  end
end
wake(control, leases, waiters, prefix)
return 1
