-- Makes a firing's reservation a lease of this request; without one, but in line, takes room if the limits allow.
-- Returns {'LEASED'} (again, when repeated), {'HELD'} by another request, {'WAITING'} in line, or {'UNKNOWN'}.
-- Needs: epoch, clock, lease.
local gate = unpack(KEYS)
local epoch, now_ms, firing, request, worker, lease_ms = unpack(ARGV)

local it = call('HMGET', key('firing:', firing), 'request', 'workspace', 'lane', 'forced')
if not it[2] then return {'UNKNOWN'} end
if it[1] then return {it[1] == request and 'LEASED' or 'HELD'} end
if call('ZREM', key('reserved'), firing) == 0 then
  local calm = false
  -- Here: used, limits, places, heads, ways, line.
  if in_the_way(it[2], it[3], it[4]) then return {'WAITING'} end
  out_of_line(firing, it[2], it[3])
  hold(firing, it[2], it[3], now + lease_ms)
end
lease_to(firing, now + lease_ms, request, worker)
return {'LEASED'}
