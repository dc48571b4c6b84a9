-- Gives a lease back if the request matches, else nothing; then fills free slots. Where `taking` is a request, the
-- first reservation becomes its lease at once: the worker that made room has a process free for it. Asked again,
-- because the answer was lost, it finds what it took.
-- Returns {'RELEASED' or 'NOT_YOURS', reservations, taken}: the firing that `taking` now leases, the first of the
-- reservations, or ''.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, request, taking, worker, lease_ms, most = unpack(ARGV)

local it = call('HMGET', key('firing:', firing), 'request', 'workspace', 'lane', 'worker')
local is_yours = it[1] == request
local calm = is_yours
  and call('EXISTS', key('blocked'), key('forced'), key('resting'), key('parked:', it[3])) == 0
-- Here: used, limits, places, heads, seldom, drop, fill, lease.
local taken
if is_yours then
  drop(firing, it[2], it[3], it[4])
  call('DEL', key('firing:', firing))
  learn_caps(it[2], it[3])
elseif taking ~= '' then
  -- Of one worker: as many as it has processes, and what those who died there left.
  for _, other in ipairs(call('SMEMBERS', key('leases:', worker))) do
    local known = call('HMGET', key('firing:', other), 'request', 'title')
    if known[1] == taking then taken = {other, known[2] or ''} end
  end
end
local made = fill(tonumber(most), it[4])
if taken then
  table.insert(made, 1, taken)
elseif taking ~= '' and is_yours and made[1] then
  lease_to(made[1][1], now + lease_ms, taking, worker)
  taken = made[1]
  -- It was promised on behalf of somebody else's process, perhaps: of one that is idle still.
  if not near_can_take_all then
    for _, it in ipairs(fill(tonumber(most))) do made[#made + 1] = it end
  end
end
return {is_yours and 'RELEASED' or 'NOT_YOURS', made, taken and taken[1] or ''}
