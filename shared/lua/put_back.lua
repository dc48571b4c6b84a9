-- Puts a leased firing back at its place in line, if the request matches: its worker cannot run it after all.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, request, most = unpack(ARGV)

local calm = false
-- Here: used, limits, places, heads, ways, line, seldom, drop, unlease, fill.

local it = call('HMGET', key('firing:', firing), 'request', 'workspace', 'lane', 'score', 'worker')
if it[1] == request then
  drop(firing, it[2], it[3], it[5])
  unlease(firing)
  into_line(firing, it[2], it[3], it[4])
end
return {'OK', fill(tonumber(most))}
