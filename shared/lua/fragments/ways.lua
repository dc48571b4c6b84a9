-- What may be in a firing's way.
local function limits_of(workspace, lane)
  if lane == '' then return {'fleet', 'workspace:' .. workspace} end
  return {'fleet', 'workspace:' .. workspace, 'lane:' .. lane}
end

-- The first limit without room, or nil. A forced firing is stopped by a cap of 0 only.
local function in_the_way(workspace, lane, forced)
  learn_caps(workspace, lane)
  for _, limit in ipairs(limits_of(workspace, lane)) do
    if cap_of(limit) == '0' then return limit, 'DRAINING' end
    if forced ~= '1' and room(limit) <= 0 then return limit, 'FULL' end
  end
end

-- The first limit that lets nobody start, forced or not: its cap is 0, or it is blocked. Or nil.
local function stopped_by(workspace, lane)
  learn_caps(workspace, lane)
  for _, limit in ipairs(limits_of(workspace, lane)) do
    local cap = cap_of(limit)
    if cap == '0' or (cap and tonumber(call('ZSCORE', key('blocked'), limit) or now) > now) then return limit end
  end
end
