-- Counts the gate: cap and usage per limit, waiters per queue, reservations, processes that live.
-- Returns {'OK', limits, queues, reserved, processes}: flat lists of name, cap, used and of name, waiting.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms = unpack(ARGV)

local limits, queues, processes = {}, {}, 0
local caps = redis.call('HGETALL', key('caps'))
for i = 1, #caps, 2 do
  limits[#limits + 1] = {caps[i], tonumber(caps[i + 1]), redis.call('SCARD', key('used:' .. caps[i]))}
end
for _, name in ipairs(redis.call('SMEMBERS', key('queues'))) do
  queues[#queues + 1] = {name, redis.call('ZCARD', key('queue:' .. name))}
end
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', key('workers'), now, '+inf')) do
  processes = processes + tonumber(redis.call('HGET', key('capacity'), worker) or 0)
end
return {'OK', limits, queues, redis.call('ZCARD', key('reserved')), processes}
