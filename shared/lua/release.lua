-- Gives a lease back if the request matches, else nothing; then fills free slots.
-- Returns {'RELEASED' or 'NOT_YOURS', reservations}.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, request, most = unpack(ARGV)

local it = redis.call('HMGET', key('firing:' .. firing), 'state', 'request', 'workspace', 'lane', 'worker')
local answer = 'NOT_YOURS'
if it[1] == 'leased' and it[2] == request then
  drop(firing, it[3], it[4], it[5])
  forget(firing)
  answer = 'RELEASED'
end
return {answer, fill(tonumber(most))}
