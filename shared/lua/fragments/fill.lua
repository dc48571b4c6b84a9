-- The hand-over: while there is room and somebody is ready, the head of the line gets a reservation.

-- How many reservations the worker processes of the living workers can still take.
local function idle_processes(most)
  local idle = -call('ZCARD', key('reserved'))
  for _, worker in ipairs(call('ZRANGEBYSCORE', key('workers'), now, '+inf')) do
    local capacity = tonumber(call('HGET', key('capacity'), worker) or 0)
    idle = idle + math.max(0, capacity - call('SCARD', key('leases:', worker)))
    if idle >= most then return most end
  end
  return idle
end

-- The head of a queue gets its reservation, and its workspace's turn is over.
local function promise(workspace, lane, vtime)
  local firing = call('ZPOPMIN', key('queue:', workspace .. ':' .. lane))[1]
  call('HSET', key('vtime'), workspace, vtime + 1, '', vtime)
  call('ZADD', key('ready'), vtime + 1, workspace)
  show_head(workspace, lane)
  reserve_for(firing, workspace, lane, now + start_lease_ms)
  return {firing, call('HGET', key('firing:', firing), 'title') or ''}
end

local function fill(most)
  local made = {}
  if not calm then
    seldom().lift_blocks()
    seldom().fill_forced(made, most)
  end
  local free = math.min(most - #made, room('fleet'))
  if free > 0 then most = #made + math.min(free, idle_processes(free)) else most = #made end
  while #made < most do
    local turn = call('ZRANGE', key('ready'), 0, 0, 'WITHSCORES')
    local workspace, vtime = turn[1], tonumber(turn[2])
    if not workspace then break end
    local lane = call('ZRANGE', key('lanes:', workspace), 0, 0)[1]
    if lane then learn_caps(workspace, lane) end
    if not lane then
      call('ZREM', key('ready'), workspace)
    elseif room('workspace:' .. workspace) <= 0 then
      seldom().leave_round(workspace)
    elseif lane ~= '' and room('lane:' .. lane) <= 0 then
      seldom().park(workspace, lane)
    else
      made[#made + 1] = promise(workspace, lane, vtime)
    end
  end
  return made
end
