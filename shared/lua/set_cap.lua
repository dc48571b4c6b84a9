-- Writes a limit's cap (an empty one: the limit is gone), then fills what it freed.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, limit, cap, most = unpack(ARGV)

if cap == '' then
  redis.call('HDEL', key('caps'), limit)
else
  redis.call('HSET', key('caps'), limit, cap)
end
local lane = string.match(limit, '^lane:(.*)$')
if lane then
  for _ = 1, math.min(room(limit), redis.call('ZCARD', key('parked:' .. lane))) do wake_lane(lane) end
else
  wake(limit)
end
return {'OK', fill(tonumber(most))}
