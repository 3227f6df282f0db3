-- Marks a record whose commits other nodes want to hear of. One that is gone is not brought back.
local record = unpack(KEYS, 1, 1)
if redis.call('HEXISTS', record, 'm') == 0 then return 0 end
redis.call('HSET', record, 'w', '1')
return 1
