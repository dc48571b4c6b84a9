-- Names reservations that are older than some time and still unclaimed: their message may be lost.
-- Returns {'OK', reservations}: pairs of firing and title.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms, older_than_ms, most = unpack(ARGV)

local found = {}
local before = now - older_than_ms
for _, firing in ipairs(call('ZRANGEBYSCORE', key('reserved'), '-inf', before, 'LIMIT', 0, most)) do
  found[#found + 1] = {firing, call('HGET', key('firing:', firing), 'title') or ''}
end
return {'OK', found}
