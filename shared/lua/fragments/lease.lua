-- Of a firing that has its places, as a reservation or not.
local function lease_to(firing, expires, request, worker)
  call('HSET', key('firing:', firing), 'request', request, 'worker', worker)
  call('ZADD', key('holders'), expires, firing)
  local leases = key('leases:', worker)
  if call('SMOVE', key('reserved'), leases, firing) == 0 then call('SADD', leases, firing) end
end
