-- Of a firing that has its places, and is no reservation any more.
local function lease_to(firing, expires, request, worker)
  call('HSET', key('firing:', firing), 'request', request, 'worker', worker)
  call('ZADD', key('holders'), expires, firing)
  call('SADD', key('leases:', worker), firing)
end
