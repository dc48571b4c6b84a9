-- Into the line, out of it, and who is looked at again.
--
-- Virtual time of a workspace's next turn: one that was idle gets no turns for what it did not use.
local function turn_of(workspace)
  local it = call('HMGET', key('vtime'), workspace, '')
  return math.max(tonumber(it[1] or 0), tonumber(it[2] or 0))
end

local function make_ready(workspace)
  call('ZADD', key('ready'), 'NX', turn_of(workspace), workspace)
end

local function rest(workspace)
  call('SADD', key('resting'), workspace)
  calm = false
end

-- A forced firing needs no room, so it stands in no queue: it is in `forced` until the next fill, or in
-- `drained:<limit>` while that limit lets nobody start.
local function is_forced(firing)
  local _, _, _, forced = facts_of(firing)
  return forced == '1'
end

-- Shows a queue that somebody came into; not while its workspace waits for the lane.
local function show_grown(workspace, lane)
  call('SADD', key('queues'), workspace .. ':' .. lane)
  if lane ~= '' and call('ZSCORE', key('parked:', lane), workspace) then return end
  show_head(workspace, lane)
  make_ready(workspace)
end

-- The place of a firing that waits; answers whether a queue has grown by it, which is to be shown.
local function stand(firing, forced, workspace, lane, score)
  if forced then calm = false end
  call('ZADD', forced and key('forced') or key('queue:', workspace .. ':' .. lane), score, firing)
  return not forced
end

local function into_line(firing, workspace, lane, score)
  if stand(firing, is_forced(firing), workspace, lane, score) then show_grown(workspace, lane) end
end

local function out_of_line(firing, workspace, lane)
  if is_forced(firing) then
    call('ZREM', key('forced'), firing)
    for _, limit in ipairs(limits_of(workspace, lane)) do call('ZREM', key('drained:', limit), firing) end
    return
  end
  local queue = key('queue:', workspace .. ':' .. lane)
  call('ZREM', queue, firing)
  if call('EXISTS', queue) == 0 then
    call('ZREM', key('parked:', lane), workspace)
  elseif call('ZSCORE', key('parked:', lane), workspace) then
    return
  end
  show_head(workspace, lane)
end

-- As many workspaces that wait for a lane as it has slots free get their chance. Not one alone: a block that
-- is lifted, or a cap that rises, frees several slots at once.
local function wake_lane(lane)
  if call('EXISTS', key('parked:', lane)) == 0 then return end
  local free = room('lane:' .. lane)
  while free > 0 do
    local workspace = call('ZPOPMIN', key('parked:', lane))[1]
    if not workspace then return end
    show_head(workspace, lane)
    if room('workspace:' .. workspace) > 0 then
      make_ready(workspace)
      free = free - 1
    elseif not call('ZSCORE', key('ready'), workspace) then
      rest(workspace)
    end
  end
end

local function wake_workspace(workspace)
  if call('SREM', key('resting'), workspace) == 1 and call('EXISTS', key('lanes:', workspace)) == 1 then
    make_ready(workspace)
  end
end

local function wake(limit)
  local kind, name = string.match(limit, '^(%a+):(.*)$')
  if kind == 'lane' then wake_lane(name) end
  if kind == 'workspace' then wake_workspace(name) end
end

-- The forced firings that a limit stopped are looked at again by the next fill.
local function undrain(limit)
  if call('EXISTS', key('drained:', limit)) == 0 then return end
  call('ZUNIONSTORE', key('forced'), 2, key('forced'), key('drained:', limit))
  call('DEL', key('drained:', limit))
  calm = false
end
