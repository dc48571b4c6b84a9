-- Makes a firing's reservation a lease of this request; without one, but in line, takes room if the limits allow.
-- Returns {'LEASED'} (again, when repeated), {'HELD'} by another request, {'WAITING'} in line, or {'UNKNOWN'}.
-- Needs: epoch, clock, facts.
local gate = unpack(KEYS)
local epoch, now_ms, firing, request, worker, lease_ms = unpack(ARGV)

local workspace, lane, score, forced, title, holder = facts_of(firing)
if not workspace then return {'UNKNOWN'} end
if holder then return {holder == request and 'LEASED' or 'HELD'} end
local leases = key('leases:', worker)
if call('SMOVE', key('reserved'), leases, firing) == 0 then
  local calm = false
  -- Here: used, limits, places, heads, ways, line.
  if in_the_way(workspace, lane, forced) then return {'WAITING'} end
  out_of_line(firing, workspace, lane)
  hold(firing, workspace, lane, now + lease_ms)
  call('SADD', leases, firing)
end
know(firing, workspace, lane, score, forced, title, request, worker)
call('ZADD', key('holders'), now + lease_ms, firing)
return {'LEASED'}
