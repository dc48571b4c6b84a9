-- Extends a worker's leases, each if its request matches, tells its processes, forgets workers that are
-- silent for longer than their lease, and fills free slots.
-- Returns {'OK', answers, reservations}; an answer is 'ok', 'absent' or 'abort:' and the reason.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, worker, capacity, lease_ms, leases, most = unpack(ARGV)

local answers = {}
for i, lease in ipairs(cjson.decode(leases)) do
  local it = redis.call('HMGET', key('firing:' .. lease[1]), 'state', 'request', 'abort')
  if it[1] ~= 'leased' or it[2] ~= lease[2] then
    answers[i] = 'absent'
  else
    redis.call('ZADD', key('holders'), 'XX', now + lease_ms, lease[1])
    answers[i] = it[3] and 'abort:' .. it[3] or 'ok'
  end
end
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', key('workers'), '-inf', '(' .. now)) do
  redis.call('ZREM', key('workers'), silent)
  redis.call('HDEL', key('capacity'), silent)
end
if tonumber(capacity) > 0 then
  redis.call('ZADD', key('workers'), now + lease_ms, worker)
  redis.call('HSET', key('capacity'), worker, capacity)
else
  redis.call('ZREM', key('workers'), worker)
  redis.call('HDEL', key('capacity'), worker)
end
return {'OK', answers, fill(tonumber(most))}
