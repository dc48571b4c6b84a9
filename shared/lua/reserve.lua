-- Takes a reservation for a run-now at once, or says what is in the way; never puts it in line.
-- Returns {'RESERVED'} (again, when repeated), {'FULL', limit} or {'DRAINING', limit}.
-- Needs: epoch, clock, state.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, workspace, lane, score, forced, title = unpack(ARGV)

local known = call('HMGET', key('firing:', firing), 'workspace', 'request')
local state = state_of(firing, known[1], known[2])
if state == 'reserved' or state == 'leased' then return {'RESERVED'} end
local calm = false
-- Here: used, limits, places, heads, ways, line.
local limit, why = in_the_way(workspace, lane, forced)
if limit then return {why, limit} end
if state == 'waiting' then out_of_line(firing, workspace, lane) end
call('HSET', key('firing:', firing), 'workspace', workspace, 'lane', lane, 'score', score,
  'forced', forced, 'title', title)
reserve_for(firing, workspace, lane, now + start_lease_ms)
return {'RESERVED'}
