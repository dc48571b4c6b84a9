-- The line: a queue per (workspace, lane), whose heads stand in `lanes:<workspace>`. A workspace with
-- somebody to start is in `ready` by its virtual time (round robin); one whose cap is full is out of it
-- until a slot frees; one whose lane is full is in `parked:<lane>` until a slot of the lane frees.
--
-- Virtual time of a workspace's next turn: one that was idle gets no turns for what it did not use.
local function turn_of(workspace)
  local it = redis.call('HMGET', key('vtime'), workspace, '')
  return math.max(tonumber(it[1] or 0), tonumber(it[2] or 0))
end

local function make_ready(workspace)
  redis.call('ZADD', key('ready'), 'NX', turn_of(workspace), workspace)
end

-- Shows the head of a queue again after it changed.
local function show_head(workspace, lane)
  local queue = key('queue:' .. workspace .. ':' .. lane)
  local head = redis.call('ZRANGE', queue, 0, 0, 'WITHSCORES')
  if head[1] then
    redis.call('ZADD', key('lanes:' .. workspace), head[2], lane)
  else
    redis.call('ZREM', key('lanes:' .. workspace), lane)
    redis.call('SREM', key('queues'), workspace .. ':' .. lane)
    if redis.call('EXISTS', key('lanes:' .. workspace)) == 0 then redis.call('ZREM', key('ready'), workspace) end
  end
end

-- A forced firing needs no room, so it stands in no queue: it is in `forced` until the next fill, or in
-- `drained:<limit>` while that limit lets nobody start.
local function is_forced(firing)
  return redis.call('HGET', key('firing:' .. firing), 'forced') == '1'
end

-- Shows a queue that somebody came into; not while its workspace waits for the lane.
local function show_grown(workspace, lane)
  redis.call('SADD', key('queues'), workspace .. ':' .. lane)
  if lane ~= '' and redis.call('ZSCORE', key('parked:' .. lane), workspace) then return end
  show_head(workspace, lane)
  make_ready(workspace)
end

-- The place of a firing that waits; answers whether a queue has grown by it, which is to be shown.
local function stand(firing, forced, workspace, lane, score)
  redis.call('ZADD', forced and key('forced') or key('queue:' .. workspace .. ':' .. lane), score, firing)
  return not forced
end

local function into_line(firing, workspace, lane, score)
  redis.call('HSET', key('firing:' .. firing), 'state', 'waiting')
  if stand(firing, is_forced(firing), workspace, lane, score) then show_grown(workspace, lane) end
end

local function out_of_line(firing, workspace, lane)
  if is_forced(firing) then
    redis.call('ZREM', key('forced'), firing)
    for _, limit in ipairs(limits_of(workspace, lane)) do redis.call('ZREM', key('drained:' .. limit), firing) end
    return
  end
  redis.call('ZREM', key('queue:' .. workspace .. ':' .. lane), firing)
  if redis.call('EXISTS', key('queue:' .. workspace .. ':' .. lane)) == 0 then
    redis.call('ZREM', key('parked:' .. lane), workspace)
  elseif redis.call('ZSCORE', key('parked:' .. lane), workspace) then
    return
  end
  show_head(workspace, lane)
end

-- As many workspaces that wait for a lane as it has slots free get their chance. Not one alone: a block that
-- is lifted, or a cap that rises, frees several slots at once.
local function wake_lane(lane)
  if redis.call('EXISTS', key('parked:' .. lane)) == 0 then return end
  local free = room('lane:' .. lane)
  while free > 0 do
    local workspace = redis.call('ZPOPMIN', key('parked:' .. lane))[1]
    if not workspace then return end
    show_head(workspace, lane)
    if room('workspace:' .. workspace) > 0 then
      make_ready(workspace)
      free = free - 1
    end
  end
end

local function wake(limit)
  local kind, name = string.match(limit, '^(%a+):(.*)$')
  if kind == 'lane' then wake_lane(name) end
  if kind == 'workspace' and not redis.call('ZSCORE', key('ready'), name)
    and redis.call('EXISTS', key('lanes:' .. name)) == 1 then make_ready(name) end
end

-- The forced firings that a limit stopped are looked at again by the next fill.
local function undrain(limit)
  if redis.call('EXISTS', key('drained:' .. limit)) == 0 then return end
  redis.call('ZUNIONSTORE', key('forced'), 2, key('forced'), key('drained:' .. limit))
  redis.call('DEL', key('drained:' .. limit))
end
