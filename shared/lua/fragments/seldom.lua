-- What most calls do not need is made where one does: making a function costs half as much as a command, and a
-- script makes all of its own each time.
local made_seldom
local function seldom()
  if made_seldom then return made_seldom end

  -- Here: ways, line.

  -- Blocks that are over; the limit's waiters get their chance.
  local function lift_blocks()
    for _, limit in ipairs(call('ZRANGEBYSCORE', key('blocked'), '-inf', now)) do
      call('ZREM', key('blocked'), limit)
      undrain(limit)
      wake(limit)
    end
  end

  -- Forced firings that wait: the first of all, with or without room and idle processes, unless a limit lets
  -- nobody start; then they wait under it until its cap or its block changes.
  local function fill_forced(made, most)
    local waiting = call('ZRANGE', key('forced'), 0, most, 'WITHSCORES')
    for i = 1, math.min(#waiting, 2 * most), 2 do
      local firing = waiting[i]
      local workspace, lane, _, _, title = facts_of(firing)
      -- Of whom nothing is known, because its key was lost, is offered again by the reconciler.
      local limit = workspace and stopped_by(workspace, lane)
      call('ZREM', key('forced'), firing)
      if limit then
        call('ZADD', key('drained:', limit), waiting[i + 1], firing)
      elseif workspace then
        reserve_for(firing, workspace, lane, now + start_lease_ms)
        made[#made + 1] = {firing, title}
      end
    end
  end

  -- A workspace at its cap leaves the round; lanes that it was about to use go to others who wait for them.
  local function leave_round(workspace)
    call('ZREM', key('ready'), workspace)
    rest(workspace)
    for _, lane in ipairs(call('ZRANGE', key('lanes:', workspace), 0, -1)) do
      if lane ~= '' then wake_lane(lane) end
    end
  end

  local function park(workspace, lane)
    call('ZADD', key('parked:', lane), turn_of(workspace), workspace)
    call('ZREM', key('lanes:', workspace), lane)
    if call('EXISTS', key('lanes:', workspace)) == 0 then call('ZREM', key('ready'), workspace) end
    calm = false
  end

  made_seldom = {
    wake_lane = wake_lane,
    wake_workspace = wake_workspace,
    lift_blocks = lift_blocks,
    fill_forced = fill_forced,
    leave_round = leave_round,
    park = park,
  }
  return made_seldom
end
