-- Takes a reservation for a run-now at once, or says what is in the way; never puts it in line.
-- Returns {'RESERVED'} (again, when repeated), {'FULL', limit} or {'DRAINING', limit}.
-- Needs: epoch, clock, facts, state.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, workspace, lane, score, forced, title = unpack(ARGV)

local stood, _, _, _, _, request = facts_of(firing)
local state = state_of(firing, stood, request)
if state == 'reserved' or state == 'leased' then return {'RESERVED'} end
local calm = false
-- Here: used, limits, places, heads, ways, line.
local limit, why = in_the_way(workspace, lane, forced)
if limit then return {why, limit} end
if state == 'waiting' then out_of_line(firing, workspace, lane) end
know(firing, workspace, lane, tonumber(score), forced, title)
reserve_for(firing, workspace, lane, now + start_lease_ms)
return {'RESERVED'}
