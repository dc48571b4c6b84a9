-- Counts the gate: cap and usage per limit, waiters, reservations, processes that live.
-- Returns {'OK', limits, waiting, reserved, processes}: limits is a list of name, cap, used.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms = unpack(ARGV)

local limits, processes = {}, 0
local waiting = redis.call('ZCARD', key('forced'))
local caps = redis.call('HGETALL', key('caps'))
for i = 1, #caps, 2 do
  limits[#limits + 1] = {caps[i], tonumber(caps[i + 1]), redis.call('SCARD', key('used:' .. caps[i]))}
  waiting = waiting + redis.call('ZCARD', key('drained:' .. caps[i]))
end
for _, name in ipairs(redis.call('SMEMBERS', key('queues'))) do
  waiting = waiting + redis.call('ZCARD', key('queue:' .. name))
end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', key('workers'), now, '+inf')) do
  processes = processes + tonumber(redis.call('HGET', key('capacity'), worker) or 0)
end
return {'OK', limits, waiting, redis.call('ZCARD', key('reserved')), processes}
