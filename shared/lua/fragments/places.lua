-- A firing's places under its limits.
local function hold(firing, workspace, lane, expires)
  call('ZADD', key('holders'), expires, firing)
  call('SADD', key('used:workspace:', workspace), firing)
  if lane ~= '' then call('SADD', key('used:lane:', lane), firing) end
end

local function reserve_for(firing, workspace, lane, expires)
  hold(firing, workspace, lane, expires)
  call('SADD', key('reserved'), firing)
end
