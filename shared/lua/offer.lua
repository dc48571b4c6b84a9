-- Puts a batch of firings in line unless they wait or hold already, then fills free slots.
-- A forced firing is filled first, room or not. An empty batch only fills.
-- Returns {'OK', reservations}: pairs of firing and title; {'UNREADABLE'} where one holds of whom nothing is known.
-- Needs: epoch, clock, facts.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, batch, most = unpack(ARGV)

-- Here: calm, used, limits, places, heads, ways, line, seldom, fill, parts.

-- Those of whom nothing is known, or nil where one of them holds. Commands are asked once for a thousand of them.
local function unknown(offered)
  local found = {}
  for first = 0, #offered - 1, 1000 do
    local asked = {}
    for i = 1, math.min(1000, #offered - first) do asked[i] = offered[first + i][1] end
    local known = call('HMGET', key('firings'), unpack(asked))
    local held = call('ZMSCORE', key('holders'), unpack(asked))
    for i = 1, #asked do
      if not known[i] then
        if held[i] then return nil end
        found[#found + 1] = offered[first + i]
      end
    end
  end
  return found
end

-- They are written, and a queue grows and is shown, once a batch, however many come.
local comers = unknown(cjson.decode(batch))
if not comers then return {'UNREADABLE'} end
local learned, grown = {}, {}
for _, it in ipairs(comers) do
  local firing, workspace, lane, score, forced, title = it[1], it[2], it[3], it[4], it[5], it[6]
  learned[#learned + 1], learned[#learned + 2] = firing, cmsgpack.pack(workspace, lane, score, forced, title)
  if forced == '1' then
    stand(firing, true, workspace, lane, score)
  else
    local queue = key('queue:', workspace .. ':' .. lane)
    local its = grown[queue] or {workspace = workspace, lane = lane}
    its[#its + 1], its[#its + 2] = score, firing
    grown[queue] = its
  end
end
call_in_parts('HSET', key('firings'), learned)
for queue, its in pairs(grown) do
  call_in_parts('ZADD', queue, its)
  show_grown(its.workspace, its.lane)
end
return {'OK', fill(tonumber(most))}
