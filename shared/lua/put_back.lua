-- Puts a leased firing back at its place in line, if the request matches: its worker cannot run it after all.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, facts.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, request, most = unpack(ARGV)

local calm = false
-- Here: used, limits, places, heads, ways, line, seldom, drop, fill.

local workspace, lane, score, forced, title, holder, worker = facts_of(firing)
if holder == request then
  drop(firing, workspace, lane, worker)
  know(firing, workspace, lane, score, forced, title)
  into_line(firing, workspace, lane, score)
end
return {'OK', fill(tonumber(most))}
