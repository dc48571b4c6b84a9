-- A call looks once at a cap, where it can at all three of a firing together: it does not look before it has changed
-- one.
-- `calm` says that nothing is blocked, that no forced firing waits, and that no workspace rests, or is parked where
-- this call frees a slot; whoever makes one of them says that it is over with the calm.
local caps = {}
local function learn_caps(workspace, lane)
  local ours, lanes = 'workspace:' .. workspace, 'lane:' .. lane
  if caps[ours] == nil or caps[lanes] == nil then
    local found = call('HMGET', key('caps'), 'fleet', ours, lanes)
    caps.fleet, caps[ours], caps[lanes] = found[1], found[2], found[3]
  end
end

-- A limit's cap, or false where it has none: whether it was learned or not.
local function cap_of(limit)
  if caps[limit] == nil then caps[limit] = call('HGET', key('caps'), limit) end
  return caps[limit]
end

-- How many more may hold under a limit: no bound where it has no cap, none while it is blocked.
local function room(limit)
  local cap = cap_of(limit)
  if not cap then return math.huge end
  if not calm and tonumber(call('ZSCORE', key('blocked'), limit) or now) > now then return 0 end
  return tonumber(cap) - used_under(limit)
end
