-- The hand-over: while there is room and somebody is ready, the head of the line gets a reservation.

-- How many reservations the worker processes of the living workers can still take, or `most`. Where the worker that
-- has just freed a process can take them all, nobody else is asked.
local near_can_take_all
local function idle_processes(most, near)
  local idle = -call('SCARD', key('reserved'))
  if near and tonumber(call('ZSCORE', key('workers'), near) or 0) >= now then
    local capacity = tonumber(call('HGET', key('capacity'), near) or 0)
    near_can_take_all = idle + capacity - call('SCARD', key('leases:', near)) >= most
    if near_can_take_all then return most end
  end
  for _, worker in ipairs(call('ZRANGEBYSCORE', key('workers'), now, '+inf')) do
    local capacity = tonumber(call('HGET', key('capacity'), worker) or 0)
    idle = idle + math.max(0, capacity - call('SCARD', key('leases:', worker)))
    if idle >= most then return most end
  end
  return idle
end

-- The head of a queue gets its reservation, and its workspace's turn is over.
local function promise(workspace, lane, vtime, is_only)
  local queue = key('queue:', workspace .. ':' .. lane)
  local firing = call('ZPOPMIN', queue)[1]
  local known = firing and call('HGET', key('firings'), firing)
  -- Its key was lost. Who stood there is offered again by the reconciler.
  if not known then return show_head(workspace, lane) end
  call('HSET', key('vtime'), workspace, vtime + 1, '', vtime)
  call('ZADD', key('ready'), vtime + 1, workspace)
  -- The head of an only lane is compared with none: it is shown when another lane comes (heads.lua).
  if not is_only or call('EXISTS', queue) == 0 then show_head(workspace, lane) end
  reserve_for(firing, workspace, lane, now + start_lease_ms)
  local _, _, _, _, title = cmsgpack.unpack(known)
  return {firing, title}
end

local function fill(most, near)
  local made = {}
  if not calm then
    seldom().lift_blocks()
    seldom().fill_forced(made, most)
  end
  local free = math.min(most - #made, room('fleet'))
  if free > 0 then most = #made + math.min(free, idle_processes(free, near)) else most = #made end
  while #made < most do
    local turn = call('ZRANGE', key('ready'), 0, 0, 'WITHSCORES')
    local workspace, vtime = turn[1], tonumber(turn[2])
    if not workspace then break end
    local lanes = call('ZRANGE', key('lanes:', workspace), 0, 1)
    local lane = lanes[1]
    if lane then learn_caps(workspace, lane) end
    if not lane then
      call('ZREM', key('ready'), workspace)
    elseif room('workspace:' .. workspace) <= 0 then
      seldom().leave_round(workspace)
    elseif lane ~= '' and room('lane:' .. lane) <= 0 then
      seldom().park(workspace, lane)
    else
      made[#made + 1] = promise(workspace, lane, vtime, not lanes[2])
    end
  end
  return made
end
