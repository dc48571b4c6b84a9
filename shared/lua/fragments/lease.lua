-- Of a firing that has its places, as a reservation or not.
local function lease_to(firing, expires, request, worker, workspace, lane, score, forced, title)
  know(firing, workspace, lane, score, forced, title, request, worker)
  call('ZADD', key('holders'), expires, firing)
  local leases = key('leases:', worker)
  if call('SMOVE', key('reserved'), leases, firing) == 0 then call('SADD', leases, firing) end
end
