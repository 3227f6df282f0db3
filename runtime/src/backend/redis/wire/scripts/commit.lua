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
      provisional, recent_ms, ticket, keep, lease_ms, hold_ms, is_usual, count = unpack(ARGV, 1, 18)
-- So many leased states follow, then four for each change: operation, field, new value, value that it was made from.
local first_state, changes = 19, 19 + count
local REMEMBERED_FOR = 60000

local is_ours, shut, own_expiry, is_provisional, expired_at, is_heard =
  unpack(redis.call('HMGET', record, 'm', 'l', 'e', 'p', 'x', 'w'))

-- Other nodes have followed the session, and perhaps do.
local function tell_followers()
  if is_heard then
    local prefix, hidden = string.match(record, '^(.*){([^{}]*)}$')
    redis.call('PUBLISH', prefix .. 'live:' .. hidden, 'L ' .. node .. ' ' .. hidden)
  end
end

-- As a rule fields of one state change under its lease, which ends, and nobody else has or wants a turn of the session:
-- the rest of the script would do the same.
if is_usual == '1' and is_ours and not shut then
  local turns = redis.call('HGETALL', control)
  local is_packed, lease = pcall(cmsgpack.unpack, turns[2])
  if #turns == 2 and turns[1] == 'l:' .. ARGV[first_state] and is_packed and type(lease) == 'table'
    and lease[1] == ticket and type(lease[2]) == 'number' and lease[2] > now and lease[5] == nil
    and (own_expiry or '') == reckoned_expiry and (is_provisional or '') == reckoned_provisional
    and (tonumber(expired_at) or 0) <= tonumber(expires) then
    redis.call('HSET', tokens, slot, token)
    redis.call('PEXPIRE', tokens, REMEMBERED_FOR)
    redis.call('HSET', record, 'x', expires, ARGV[changes + 1], ARGV[changes + 2])
    redis.call('PEXPIREAT', record, expires)
    redis.call('DEL', control)
    tell_followers()
    return { 'done', 'ended' }
  end
end
recent_ms, lease_ms, hold_ms = tonumber(recent_ms), tonumber(lease_ms), tonumber(hold_ms)

