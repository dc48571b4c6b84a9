-- Takes firings out of the line and out of their reservations; a lease is left alone. Then fills free slots.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, facts, state.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firings, most = unpack(ARGV)

local calm = false
-- Here: used, limits, places, heads, ways, line, seldom, drop, fill.

for _, firing in ipairs(cjson.decode(firings)) do
  local workspace, lane, _, _, _, request = facts_of(firing)
  local state = state_of(firing, workspace, request)
  if state == 'waiting' then
    out_of_line(firing, workspace, lane)
    call('HDEL', key('firings'), firing)
    -- It may have been the one that a free slot of its lane was kept for.
    if lane ~= '' then wake_lane(lane) end
  elseif state == 'reserved' then
    drop(firing, workspace, lane)
    call('HDEL', key('firings'), firing)
  end
end
return {'OK', fill(tonumber(most))}
