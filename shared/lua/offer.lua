-- Puts a batch of firings in line unless they wait or hold already, then fills free slots.
-- A forced firing is filled first, room or not. An empty batch only fills.
-- Returns {'OK', reservations}: pairs of firing and title.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, batch, most = unpack(ARGV)

for _, it in ipairs(cjson.decode(batch)) do
  local firing, workspace, lane, score, forced, title = unpack(it)
  if redis.call('EXISTS', key('firing:' .. firing)) == 0 then
    redis.call('HSET', key('firing:' .. firing), 'workspace', workspace, 'lane', lane, 'score', score,
      'forced', forced, 'title', title)
    into_line(firing, workspace, lane, score)
  end
end
return {'OK', fill(tonumber(most))}
