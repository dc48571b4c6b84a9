-- Gives a lease back if the request matches, else nothing; then fills free slots. Where `taking` is a request, the
-- first reservation becomes its lease at once: the worker that made room has a process free for it.
-- Returns {'RELEASED' or 'NOT_YOURS', reservations, taken}: the firing that `taking` now leases, or ''.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, request, taking, lease_ms, most = unpack(ARGV)

local it = redis.call('HMGET', key('firing:' .. firing), 'state', 'request', 'workspace', 'lane', 'worker')
local is_yours = it[1] == 'leased' and it[2] == request
if is_yours then
  drop(firing, it[3], it[4], it[5])
  forget(firing)
end
local made, taken = fill(tonumber(most)), ''
if taking ~= '' and is_yours and made[1] then
  taken = made[1][1]
  lease_to(taken, now + lease_ms, taking, it[5])
end
return {is_yours and 'RELEASED' or 'NOT_YOURS', made, taken}
