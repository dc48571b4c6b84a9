-- Gives running firings, which Postgres knows and the gate forgot, their leases again, room or not.
-- Returns {'OK', seated}: how many were not leased by that request before.
-- Needs: epoch, clock, state, lease.
local gate = unpack(KEYS)
local epoch, now_ms, leases = unpack(ARGV)

local calm = false
-- Here: used, limits, places, heads, ways, line, seldom, drop, unlease.

local seated = 0
for _, it in ipairs(cjson.decode(leases)) do
  local firing, workspace, lane, score, forced, title, request, worker, lease_ms = unpack(it)
  local known = call('HMGET', key('firing:', firing), 'request', 'workspace', 'lane', 'worker')
  if known[1] ~= request then
    local state = state_of(firing, known[2], known[1])
    if state == 'waiting' then
      out_of_line(firing, known[2], known[3])
    elseif state then
      drop(firing, known[2], known[3], known[4])
      unlease(firing)
    end
    call('HSET', key('firing:', firing), 'workspace', workspace, 'lane', lane, 'score', score,
      'forced', forced, 'title', title)
    hold(firing, workspace, lane, now + lease_ms)
    lease_to(firing, now + lease_ms, request, worker)
    seated = seated + 1
  end
end
return {'OK', seated}
