-- Extends a worker's leases, each if its request matches, and takes its places again, for a Redis that is full
-- may have thrown some of them away. Tells its processes, forgets workers that are silent for longer than their
-- lease, and fills free slots.
-- Returns {'OK', answers, reservations}; an answer is 'ok', 'absent' or 'abort:' and the reason.
-- Needs: epoch, clock, facts, calm, used, limits, places, heads, seldom, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, worker, capacity, lease_ms, leases, most = unpack(ARGV)

local answers = {}
for i, lease in ipairs(cjson.decode(leases)) do
  local workspace, lane, _, _, _, request, _, abort = facts_of(lease[1])
  if request ~= lease[2] then
    answers[i] = 'absent'
  else
    hold(lease[1], workspace, lane, now + lease_ms)
    answers[i] = abort and 'abort:' .. abort or 'ok'
  end
end
for _, silent in ipairs(call('ZRANGEBYSCORE', key('workers'), '-inf', '(' .. now)) do
  call('ZREM', key('workers'), silent)
  call('HDEL', key('capacity'), silent)
end
if tonumber(capacity) > 0 then
  call('ZADD', key('workers'), now + lease_ms, worker)
  call('HSET', key('capacity'), worker, capacity)
else
  call('ZREM', key('workers'), worker)
  call('HDEL', key('capacity'), worker)
end
return {'OK', answers, fill(tonumber(most))}
