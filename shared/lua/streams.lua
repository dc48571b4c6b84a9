-- The interactive streams that are active. Returns {'OK', {{stream, workspace, ms left}, ...}}, the longest last.
-- Needs: clock, silent.
local streams, places = unpack(KEYS)
local now_ms, most = unpack(ARGV)

local found = {}
local scored = redis.call('ZRANGE', streams, 0, tonumber(most) - 1, 'WITHSCORES')
for at = 1, #scored, 2 do
  found[#found + 1] = {scored[at], redis.call('HGET', places, scored[at]) or '', tonumber(scored[at + 1]) - now}
end
return {'OK', found}
