-- Names holders that are past their expiry, the oldest first, and frees nothing.
-- Returns {'OK', holders}: triples of firing, state and request.
-- Needs: epoch, clock, state.
local gate = unpack(KEYS)
local epoch, now_ms, most = unpack(ARGV)

local found = {}
for _, firing in ipairs(call('ZRANGEBYSCORE', key('holders'), '-inf', '(' .. now, 'LIMIT', 0, most)) do
  local it = call('HMGET', key('firing:', firing), 'workspace', 'request')
  found[#found + 1] = {firing, state_of(firing, it[1], it[2]) or '', it[2] or ''}
end
return {'OK', found}
