-- Takes firings out of the line and out of their reservations; a lease is left alone. Then fills free slots.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firings, most = unpack(ARGV)

for _, firing in ipairs(cjson.decode(firings)) do
  local it = redis.call('HMGET', key('firing:' .. firing), 'state', 'workspace', 'lane')
  if it[1] == 'waiting' then
    out_of_line(firing, it[2], it[3])
    forget(firing)
    -- It may have been the one that a free slot of its lane was kept for.
    if it[3] ~= '' then wake_lane(it[3]) end
  elseif it[1] == 'reserved' then
    drop(firing, it[2], it[3])
    forget(firing)
  end
end
return {'OK', fill(tonumber(most))}
