-- Says what the gate knows of each firing of a batch.
-- Returns {'OK', states}: per firing a pair of state and request, '' where it knows nothing. One that waits, and that
-- no fill would come upon, is 'astray': a key of its line was lost.
-- Needs: epoch, facts, state, ways.
local gate = unpack(KEYS)
local epoch, firings = unpack(ARGV)

-- Each queue is listed, and shown in its workspace's lanes, or parked; who shows one is ready, or rests.
local shown = {}
local function is_shown(workspace, lane)
  local name = workspace .. ':' .. lane
  if shown[name] == nil then
    local is_looked_at = call('ZSCORE', key('parked:', lane), workspace)
      or (call('ZSCORE', key('lanes:', workspace), lane)
        and (call('ZSCORE', key('ready'), workspace) or call('SISMEMBER', key('resting'), workspace) == 1))
    shown[name] = is_looked_at and call('SISMEMBER', key('queues'), name) == 1
  end
  return shown[name]
end

local function is_in_line(firing, workspace, lane, forced)
  if forced ~= '1' then
    return call('ZSCORE', key('queue:', workspace .. ':' .. lane), firing) and is_shown(workspace, lane)
  end
  if call('ZSCORE', key('forced'), firing) then return true end
  for _, limit in ipairs(limits_of(workspace, lane)) do
    if call('ZSCORE', key('drained:', limit), firing) then return true end
  end
end

local found = {}
for i, firing in ipairs(cjson.decode(firings)) do
  local workspace, lane, _, forced, _, request = facts_of(firing)
  local state = state_of(firing, workspace, request) or ''
  if state == 'waiting' and not is_in_line(firing, workspace, lane, forced) then state = 'astray' end
  found[i] = {state, request or ''}
end
return {'OK', found}
