-- Takes entries out of an owner's index, each only if nobody has put it there anew.
local index = unpack(KEYS, 1, 1)
for i = 1, #ARGV, 2 do
  if tonumber(redis.call('ZSCORE', index, ARGV[i])) == tonumber(ARGV[i + 1]) then
    redis.call('ZREM', index, ARGV[i])
  end
end
return 1
