-- Puts a batch of firings in line unless they wait or hold already, then fills free slots.
-- A forced firing is filled first, room or not. An empty batch only fills.
-- Returns {'OK', reservations}: pairs of firing and title.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, batch, most = unpack(ARGV)

-- Here: calm, used, limits, places, heads, ways, line, seldom, fill.

-- A queue grows, and is shown, once a batch, however many come into it.
local grown = {}
for _, it in ipairs(cjson.decode(batch)) do
  local firing, workspace, lane, score, forced, title = it[1], it[2], it[3], it[4], it[5], it[6]
  local known = key('firing:', firing)
  if call('EXISTS', known) == 0 then
    call('HSET', known, 'workspace', workspace, 'lane', lane, 'score', score, 'forced', forced, 'title', title)
    if forced == '1' then
      stand(firing, true, workspace, lane, score)
    else
      local queue = key('queue:', workspace .. ':' .. lane)
      local comers = grown[queue] or {workspace = workspace, lane = lane}
      comers[#comers + 1], comers[#comers + 2] = score, firing
      grown[queue] = comers
    end
  end
end
for queue, comers in pairs(grown) do
  -- Lua gives a call a few thousand arguments at most.
  for first = 1, #comers, 2000 do call('ZADD', queue, unpack(comers, first, math.min(first + 1999, #comers))) end
  show_grown(comers.workspace, comers.lane)
end
return {'OK', fill(tonumber(most))}
