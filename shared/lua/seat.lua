-- Gives running firings, which Postgres knows and the gate forgot, their leases again, room or not.
-- Returns {'OK', seated}: how many were not leased by that request before.
-- Needs: epoch, clock, limits, line, drop.
local gate = unpack(KEYS)
local epoch, now_ms, leases = unpack(ARGV)

local seated = 0
for _, it in ipairs(cjson.decode(leases)) do
  local firing, workspace, lane, score, forced, title, request, worker, lease_ms = unpack(it)
  local known = redis.call('HMGET', key('firing:' .. firing), 'state', 'request', 'workspace', 'lane', 'worker')
  if known[1] ~= 'leased' or known[2] ~= request then
    if known[1] == 'waiting' then
      out_of_line(firing, known[3], known[4])
    elseif known[1] then
      drop(firing, known[3], known[4], known[5])
      unlease(firing)
    end
    redis.call('HSET', key('firing:' .. firing), 'workspace', workspace, 'lane', lane, 'score', score,
      'forced', forced, 'title', title)
    take_places(firing, workspace, lane)
    lease_to(firing, now + lease_ms, request, worker)
    seated = seated + 1
  end
end
return {'OK', seated}
