-- Gives a lease back if the request matches, else nothing; then fills free slots. Where `taking` is a request, the
-- first reservation becomes its lease at once: the worker that made room has a process free for it. Asked again,
-- because the answer was lost, it finds what it took.
-- Returns {'RELEASED' or 'NOT_YOURS', reservations, taken}: the firing that `taking` now leases, the first of the
-- reservations, or ''.
-- Needs: epoch, clock, facts.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, request, taking, worker, lease_ms, most = unpack(ARGV)

local workspace, lane, _, _, _, holder, near = facts_of(firing)
local is_yours = holder == request
local calm = is_yours
  and call('EXISTS', key('blocked'), key('forced'), key('resting'), key('parked:', lane)) == 0
-- Here: used, limits, places, heads, seldom, drop, fill, lease.
local taken
if is_yours then
  drop(firing, workspace, lane, near)
  call('HDEL', key('firings'), firing)
  learn_caps(workspace, lane)
elseif taking ~= '' then
  -- Of one worker: as many as it has processes, and what those who died there left.
  for _, other in ipairs(call('SMEMBERS', key('leases:', worker))) do
    local _, _, _, _, title, its = facts_of(other)
    if its == taking then taken = {other, title} end
  end
end
local made = fill(tonumber(most), near)
if taken then
  table.insert(made, 1, taken)
elseif taking ~= '' and is_yours and made[1] then
  taken = made[1]
  lease_to(taken[1], now + lease_ms, taking, worker, facts_of(taken[1]))
  -- It was promised on behalf of somebody else's process, perhaps: of one that is idle still.
  if not near_can_take_all then
    for _, it in ipairs(fill(tonumber(most))) do made[#made + 1] = it end
  end
end
return {is_yours and 'RELEASED' or 'NOT_YOURS', made, taken and taken[1] or ''}
