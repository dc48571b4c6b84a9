-- Names holders that are past their expiry, the oldest first, and frees nothing.
-- Returns {'OK', holders}: triples of firing, state and request.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms, most = unpack(ARGV)

local found = {}
for _, firing in ipairs(redis.call('ZRANGEBYSCORE', key('holders'), '-inf', '(' .. now, 'LIMIT', 0, most)) do
  local it = redis.call('HMGET', key('firing:' .. firing), 'state', 'request')
  found[#found + 1] = {firing, it[1] or '', it[2] or ''}
end
return {'OK', found}
