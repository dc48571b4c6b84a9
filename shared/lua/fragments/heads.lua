-- The line: a queue per (workspace, lane), whose heads stand in `lanes:<workspace>`. A workspace with
-- somebody to start is in `ready` by its virtual time (round robin); one whose cap is full is out of it, in
-- `resting`, until a slot frees; one whose lane is full is in `parked:<lane>` until a slot of the lane frees.
--
-- Shows the head of a queue again after it changed. The score of an only lane may be that of an earlier head; it is
-- shown again with the second lane, for from then on the two are compared.
local function show_head(workspace, lane)
  local name = workspace .. ':' .. lane
  local head = call('ZRANGE', key('queue:', name), 0, 0, 'WITHSCORES')
  if head[1] then
    local lanes = key('lanes:', workspace)
    if call('ZADD', lanes, head[2], lane) == 1 and call('ZCARD', lanes) == 2 then
      for _, other in ipairs(call('ZRANGE', lanes, 0, -1)) do
        head = call('ZRANGE', key('queue:', workspace .. ':' .. other), 0, 0, 'WITHSCORES')
        call('ZADD', lanes, head[2], other)
      end
    end
  else
    call('ZREM', key('lanes:', workspace), lane)
    call('SREM', key('queues'), name)
    if call('EXISTS', key('lanes:', workspace)) == 0 then call('ZREM', key('ready'), workspace) end
  end
end
