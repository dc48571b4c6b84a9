-- Takes firings out of the line and out of their reservations; a lease is left alone. Then fills free slots.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, state.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firings, most = unpack(ARGV)

local calm = false
-- Here: used, limits, places, heads, ways, line, seldom, drop, fill.

for _, firing in ipairs(cjson.decode(firings)) do
  local it = call('HMGET', key('firing:', firing), 'request', 'workspace', 'lane')
  local state = state_of(firing, it[2], it[1])
  if state == 'waiting' then
    out_of_line(firing, it[2], it[3])
    call('DEL', key('firing:', firing))
    -- It may have been the one that a free slot of its lane was kept for.
    if it[3] ~= '' then wake_lane(it[3]) end
  elseif state == 'reserved' then
    drop(firing, it[2], it[3])
    call('DEL', key('firing:', firing))
  end
end
return {'OK', fill(tonumber(most))}
