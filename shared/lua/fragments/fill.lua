-- The hand-over: while there is room and somebody is ready, the head of the line gets a reservation.

-- How many reservations the worker processes of the living workers can still take.
local function idle_processes(most)
  local idle = -redis.call('ZCARD', key('reserved'))
  for _, worker in ipairs(redis.call('ZRANGEBYSCORE', key('workers'), now, '+inf')) do
    local capacity = tonumber(redis.call('HGET', key('capacity'), worker) or 0)
    idle = idle + math.max(0, capacity - redis.call('SCARD', key('leases:' .. worker)))
    if idle >= most then return most end
  end
  return idle
end

-- Blocks that are over; the limit's waiters get their chance.
local function lift_blocks()
  if not are_blocks() then return end
  for _, limit in ipairs(redis.call('ZRANGEBYSCORE', key('blocked'), '-inf', now)) do
    redis.call('ZREM', key('blocked'), limit)
    undrain(limit)
    wake(limit)
  end
end

-- Forced firings that wait: the first of all, with or without room and idle processes, unless a limit lets
-- nobody start; then they wait under it until its cap or its block changes.
local function fill_forced(made, most)
  local waiting = redis.call('ZRANGE', key('forced'), 0, most, 'WITHSCORES')
  for i = 1, math.min(#waiting, 2 * most), 2 do
    local firing = waiting[i]
    local it = redis.call('HMGET', key('firing:' .. firing), 'workspace', 'lane', 'title')
    local limit = stopped_by(it[1], it[2])
    redis.call('ZREM', key('forced'), firing)
    if limit then
      redis.call('ZADD', key('drained:' .. limit), waiting[i + 1], firing)
    else
      reserve_for(firing, it[1], it[2], now + start_lease_ms)
      made[#made + 1] = {firing, it[3] or ''}
    end
  end
end

-- A workspace at its cap leaves the round; lanes that it was about to use go to others who wait for them.
local function rest(workspace)
  redis.call('ZREM', key('ready'), workspace)
  for _, lane in ipairs(redis.call('ZRANGE', key('lanes:' .. workspace), 0, -1)) do
    if lane ~= '' then wake_lane(lane) end
  end
end

local function park(workspace, lane)
  redis.call('ZADD', key('parked:' .. lane), turn_of(workspace), workspace)
  redis.call('ZREM', key('lanes:' .. workspace), lane)
  if redis.call('EXISTS', key('lanes:' .. workspace)) == 0 then redis.call('ZREM', key('ready'), workspace) end
end

-- The head of a queue gets its reservation, and its workspace's turn is over.
local function promise(workspace, lane, vtime)
  local firing = redis.call('ZPOPMIN', key('queue:' .. workspace .. ':' .. lane))[1]
  redis.call('HSET', key('vtime'), workspace, vtime + 1, '', vtime)
  redis.call('ZADD', key('ready'), vtime + 1, workspace)
  show_head(workspace, lane)
  reserve_for(firing, workspace, lane, now + start_lease_ms)
  return {firing, redis.call('HGET', key('firing:' .. firing), 'title') or ''}
end

local function fill(most)
  local made = {}
  lift_blocks()
  fill_forced(made, most)
  local free = math.min(most - #made, room('fleet'))
  if free > 0 then most = #made + math.min(free, idle_processes(free)) else most = #made end
  while #made < most do
    local turn = redis.call('ZRANGE', key('ready'), 0, 0, 'WITHSCORES')
    local workspace, vtime = turn[1], tonumber(turn[2])
    if not workspace then break end
    local lane = redis.call('ZRANGE', key('lanes:' .. workspace), 0, 0)[1]
    if not lane then
      redis.call('ZREM', key('ready'), workspace)
    elseif room('workspace:' .. workspace) <= 0 then
      rest(workspace)
    elseif lane ~= '' and room('lane:' .. lane) <= 0 then
      park(workspace, lane)
    else
      made[#made + 1] = promise(workspace, lane, vtime)
    end
  end
  return made
end
