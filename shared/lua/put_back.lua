-- Puts a leased firing back at its place in line, if the request matches: its worker cannot run it after all.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, request, most = unpack(ARGV)

local it = redis.call('HMGET', key('firing:' .. firing), 'state', 'request', 'workspace', 'lane', 'score',
  'worker')
if it[1] == 'leased' and it[2] == request then
  drop(firing, it[3], it[4], it[6])
  unlease(firing)
  into_line(firing, it[3], it[4], it[5])
end
return {'OK', fill(tonumber(most))}
