-- Other nodes have followed the session, and perhaps do.
local function tell_followers(record, node)
  local prefix, hidden = string.match(record, '^(.*){([^{}]*)}$')
  redis.call('PUBLISH', prefix .. 'live:' .. hidden, 'L ' .. node .. ' ' .. hidden)
end

-- As a rule fields of one state change under its lease, and nobody else has or wants a turn of the session. Then the
-- lease stands as a text (see `turns.lua`), and this is all: what follows would do the same. Where it is not so, nothing
-- has been written yet, and the commit goes the long way, in `arguments`.
local arguments = ARGV
if ARGV[1] == 'usual' then
  local call = redis.call
  local record, control, tokens = unpack(KEYS, 1, 3)
  local _, lease, keep, token, slot, expires, reckoned_expiry, reckoned_provisional, field, value, retried, node,
        recent_ms = unpack(ARGV, 1, 13)
  if redis.pcall('GET', control) == lease then
    local is_ours, shut, own_expiry, is_provisional, expired_at, is_heard =
      unpack(call('HMGET', record, 'm', 'l', 'e', 'p', 'x', 'w'))
    if is_ours and not shut and (own_expiry or '') == reckoned_expiry
      and (is_provisional or '') == reckoned_provisional and (tonumber(expired_at) or 0) <= tonumber(expires)
      -- Where the lease goes on, it does not tell whether this commit has taken place already.
      and (keep == '' or redis.pcall('HGET', tokens, slot) ~= token) then
      call('HSET', tokens, slot, token)
      call('PEXPIRE', tokens, 60000)
      call('HSET', record, 'x', expires, field, value)
      call('PEXPIREAT', record, expires)
      if is_heard then tell_followers(record, node) end
      if keep == '' then
        call('DEL', control)
        return 1
      end
      local length, hold = string.match(lease, '^%S+ (%d+) (%d+) ')
      call('PEXPIRE', control, math.min(tonumber(length), tonumber(hold)))
      return 2
    end
  end
  local ticket, length, hold, state = string.match(lease, '^(%S+) (%d+) (%d+) (.*)$')
  arguments = { 'update', token, slot, retried, expires, reckoned_expiry, reckoned_provisional, node, '', '', '',
                recent_ms, ticket, keep, length, hold, '1', state, 'held', field, value, '' }
end

