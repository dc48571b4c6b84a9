-- A limit's usage is the number of distinct members of a set, so that nothing done twice can move it.
local function limits_of(workspace, lane)
  if lane == '' then return {'fleet', 'workspace:' .. workspace} end
  return {'fleet', 'workspace:' .. workspace, 'lane:' .. lane}
end

-- A call looks once at a cap, and once whether anything is blocked: it changes neither after it has looked.
local caps = {}
local function cap_of(limit)
  if caps[limit] == nil then caps[limit] = redis.call('HGET', key('caps'), limit) end
  return caps[limit]
end

local any_blocked
local function are_blocks()
  if any_blocked == nil then any_blocked = redis.call('EXISTS', key('blocked')) == 1 end
  return any_blocked
end

local function is_blocked(limit)
  if not are_blocks() then return false end
  local over = redis.call('ZSCORE', key('blocked'), limit)
  return over and tonumber(over) > now
end

-- How many more may hold under a limit: no bound where it has no cap, none while it is blocked.
local function room(limit)
  local cap = cap_of(limit)
  if not cap then return math.huge end
  if is_blocked(limit) then return 0 end
  return tonumber(cap) - redis.call('SCARD', key('used:' .. limit))
end

-- The first limit without room, or nil. A forced firing is stopped by a cap of 0 only.
local function in_the_way(workspace, lane, forced)
  for _, limit in ipairs(limits_of(workspace, lane)) do
    if cap_of(limit) == '0' then return limit, 'DRAINING' end
    if forced ~= '1' and room(limit) <= 0 then return limit, 'FULL' end
  end
end

-- The first limit that lets nobody start, forced or not: its cap is 0, or it is blocked. Or nil.
local function stopped_by(workspace, lane)
  for _, limit in ipairs(limits_of(workspace, lane)) do
    local cap = cap_of(limit)
    if cap == '0' or (cap and is_blocked(limit)) then return limit end
  end
end

local function take_places(firing, workspace, lane)
  for _, limit in ipairs(limits_of(workspace, lane)) do
    redis.call('SADD', key('used:' .. limit), firing)
  end
end

local function reserve_for(firing, workspace, lane, expires)
  redis.call('HSET', key('firing:' .. firing), 'state', 'reserved')
  redis.call('ZADD', key('holders'), expires, firing)
  redis.call('ZADD', key('reserved'), now, firing)
  take_places(firing, workspace, lane)
end

-- Of a firing that has its places.
local function lease_to(firing, expires, request, worker)
  redis.call('HSET', key('firing:' .. firing), 'state', 'leased', 'request', request, 'worker', worker)
  redis.call('ZADD', key('holders'), expires, firing)
  redis.call('ZREM', key('reserved'), firing)
  redis.call('SADD', key('leases:' .. worker), firing)
end
