-- Gives back whatever a firing holds (`worker` is '' or nil for a reservation), and lets those who waited for it
-- have their chance.
local function drop(firing, workspace, lane, worker)
  call('ZREM', key('holders'), firing)
  if worker and worker ~= '' then
    call('SREM', key('leases:', worker), firing)
  else
    call('SREM', key('reserved'), firing)
  end
  call('SREM', key('used:workspace:', workspace), firing)
  if lane ~= '' then call('SREM', key('used:lane:', lane), firing) end
  if not calm then
    seldom().wake_workspace(workspace)
    if lane ~= '' then seldom().wake_lane(lane) end
  end
end
