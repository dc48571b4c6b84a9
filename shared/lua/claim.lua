-- Makes a firing's reservation a lease of this request; without one, but in line, takes room if the limits allow.
-- Returns {'LEASED'} (again, when repeated), {'HELD'} by another request, {'WAITING'} in line, or {'UNKNOWN'}.
-- Needs: epoch, clock, limits, line.
local gate = unpack(KEYS)
local epoch, now_ms, firing, request, worker, lease_ms = unpack(ARGV)

local it = redis.call('HMGET', key('firing:' .. firing), 'state', 'request', 'workspace', 'lane', 'forced')
local state = it[1]
if not state then return {'UNKNOWN'} end
if state == 'leased' then return {it[2] == request and 'LEASED' or 'HELD'} end
if state == 'waiting' then
  if in_the_way(it[3], it[4], it[5]) then return {'WAITING'} end
  out_of_line(firing, it[3], it[4])
  take_places(firing, it[3], it[4])
end
lease_to(firing, now + lease_ms, request, worker)
return {'LEASED'}
