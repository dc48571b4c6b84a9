-- Makes a firing's reservation a lease of this request; without one, but in line, takes room if the limits allow.
-- Returns {'LEASED'} (again, when repeated), {'HELD'} by another request, {'WAITING'} in line, or {'UNKNOWN'}.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms, firing, request, worker, lease_ms = unpack(ARGV)

local it = call('HMGET', key('firing:', firing), 'request', 'workspace', 'lane', 'forced')
if not it[2] then return {'UNKNOWN'} end
if it[1] then return {it[1] == request and 'LEASED' or 'HELD'} end
local leases = key('leases:', worker)
if call('SMOVE', key('reserved'), leases, firing) == 0 then
  local calm = false
  -- Here: used, limits, places, heads, ways, line.
  if in_the_way(it[2], it[3], it[4]) then return {'WAITING'} end
  out_of_line(firing, it[2], it[3])
  hold(firing, it[2], it[3], now + lease_ms)
  call('SADD', leases, firing)
end
call('HSET', key('firing:', firing), 'request', request, 'worker', worker)
call('ZADD', key('holders'), now + lease_ms, firing)
return {'LEASED'}
