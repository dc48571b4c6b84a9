-- Names holders that are past their expiry, the oldest first, and frees nothing.
-- Returns {'OK', holders}: triples of firing, state and request; {'UNREADABLE'} where nothing is known of who holds
-- or waits: the key of the firings was lost, or the gate is of a form that kept them elsewhere.
-- Needs: epoch, clock, facts, state.
local gate = unpack(KEYS)
local epoch, now_ms, most = unpack(ARGV)

if call('HLEN', key('firings')) == 0 and call('EXISTS', key('holders'), key('queues'), key('forced')) > 0 then
  return {'UNREADABLE'}
end
local found = {}
for _, firing in ipairs(call('ZRANGEBYSCORE', key('holders'), '-inf', '(' .. now, 'LIMIT', 0, most)) do
  local workspace, _, _, _, _, request = facts_of(firing)
  if not workspace then return {'UNREADABLE'} end
  found[#found + 1] = {firing, state_of(firing, workspace, request), request or ''}
end
return {'OK', found}
