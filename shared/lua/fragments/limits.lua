-- A limit's usage is the number of distinct members of a set, so that nothing done twice can move it.
local function limits_of(workspace, lane)
  if lane == '' then return {'fleet', 'workspace:' .. workspace} end
  return {'fleet', 'workspace:' .. workspace, 'lane:' .. lane}
end

local function is_blocked(limit)
  local over = redis.call('ZSCORE', key('blocked'), limit)
  return over and tonumber(over) > now
end

-- How many more may hold under a limit: no bound where it has no cap, none while it is blocked.
local function room(limit)
  local cap = redis.call('HGET', key('caps'), limit)
  if not cap then return math.huge end
  if is_blocked(limit) then return 0 end
  return tonumber(cap) - redis.call('SCARD', key('used:' .. limit))
end

-- The first limit without room, or nil. A forced firing is stopped by a cap of 0 only.
local function in_the_way(workspace, lane, forced)
  for _, limit in ipairs(limits_of(workspace, lane)) do
    if redis.call('HGET', key('caps'), limit) == '0' then return limit, 'DRAINING' end
    if forced ~= '1' and room(limit) <= 0 then return limit, 'FULL' end
  end
end

-- The first limit that lets nobody start, forced or not: its cap is 0, or it is blocked. Or nil.
local function stopped_by(workspace, lane)
  for _, limit in ipairs(limits_of(workspace, lane)) do
    local cap = redis.call('HGET', key('caps'), limit)
    if cap == '0' or (cap and is_blocked(limit)) then return limit end
  end
end

local function hold(firing, state, expires, request, worker)
  local it = redis.call('HMGET', key('firing:' .. firing), 'workspace', 'lane')
  redis.call('HSET', key('firing:' .. firing), 'state', state, 'request', request, 'worker', worker)
  redis.call('ZADD', key('holders'), expires, firing)
  for _, limit in ipairs(limits_of(it[1], it[2])) do
    redis.call('SADD', key('used:' .. limit), firing)
  end
  if state == 'leased' then
    redis.call('ZREM', key('reserved'), firing)
    redis.call('SADD', key('leases:' .. worker), firing)
  else
    redis.call('ZADD', key('reserved'), now, firing)
  end
end
