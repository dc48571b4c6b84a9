-- Puts a batch of firings in line unless they wait or hold already, then fills free slots.
-- A forced firing is filled first, room or not. An empty batch only fills.
-- Returns {'OK', reservations}: pairs of firing and title.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, batch, most = unpack(ARGV)

-- Here: calm, used, limits, places, heads, ways, line, seldom, fill.

-- What a queue shows is shown once a batch, however many came into it.
local grown = {}
for _, it in ipairs(cjson.decode(batch)) do
  local firing, workspace, lane, score, forced, title = unpack(it)
  if call('EXISTS', key('firing:', firing)) == 0 then
    call('HSET', key('firing:', firing), 'workspace', workspace, 'lane', lane, 'score', score,
      'forced', forced, 'title', title)
    if stand(firing, forced == '1', workspace, lane, score) then
      grown[workspace .. ':' .. lane] = {workspace, lane}
    end
  end
end
for _, it in pairs(grown) do show_grown(it[1], it[2]) end
return {'OK', fill(tonumber(most))}
