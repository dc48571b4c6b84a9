-- Gives running firings, which Postgres knows and the gate forgot, their leases again, room or not.
-- Returns {'OK', seated}: how many were not leased by that request before.
-- Needs: epoch, clock, facts, state, lease.
local gate = unpack(KEYS)
local epoch, now_ms, leases = unpack(ARGV)

local calm = false
-- Here: used, limits, places, heads, ways, line, seldom, drop.

local seated = 0
for _, it in ipairs(cjson.decode(leases)) do
  local firing, workspace, lane, score, forced, title, request, worker, lease_ms = unpack(it)
  local known, its_lane, _, _, _, holder, at = facts_of(firing)
  if holder ~= request then
    local state = state_of(firing, known, holder)
    if state == 'waiting' then
      out_of_line(firing, known, its_lane)
    elseif state then
      drop(firing, known, its_lane, at)
    end
    hold(firing, workspace, lane, now + lease_ms)
    lease_to(firing, now + lease_ms, request, worker, workspace, lane, score, forced, title)
    seated = seated + 1
  end
end
return {'OK', seated}
