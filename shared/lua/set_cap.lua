-- Writes a limit's cap (an empty one: the limit is gone), ends its block, then fills what it freed.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, limit, cap, most = unpack(ARGV)

if cap == '' then
  redis.call('HDEL', key('caps'), limit)
else
  redis.call('HSET', key('caps'), limit, cap)
end
redis.call('ZREM', key('blocked'), limit)
redis.call('HDEL', key('blocks'), limit)
wake(limit)
return {'OK', fill(tonumber(most))}
