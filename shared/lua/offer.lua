-- Puts a batch of firings in line unless they wait or hold already, then fills free slots.
-- A forced firing gets its reservation at once. An empty batch only fills.
-- Returns {'OK', reservations}: pairs of firing and title.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, batch, most = unpack(ARGV)

local made = {}
for _, it in ipairs(cjson.decode(batch)) do
  local firing, workspace, lane, score, forced, title = unpack(it)
  if redis.call('EXISTS', key('firing:' .. firing)) == 0 then
    redis.call('HSET', key('firing:' .. firing), 'workspace', workspace, 'lane', lane, 'score', score,
      'forced', forced, 'title', title)
    if forced == '1' and not in_the_way(workspace, lane, forced) then
      hold(firing, 'reserved', now + start_lease_ms, '', '')
      made[#made + 1] = {firing, title}
    else
      into_line(firing, workspace, lane, score)
    end
  end
end
for _, reservation in ipairs(fill(tonumber(most))) do made[#made + 1] = reservation end
return {'OK', made}
