-- Prepended to all scripts, whose keys are of one session, and so in one slot. Redis's own clock is the only one.
local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)

