-- Says what the gate knows of each firing of a batch.
-- Returns {'OK', states}: per firing a pair of state and request, '' where it knows nothing.
-- Needs: epoch, state.
local gate = unpack(KEYS)
local epoch, firings = unpack(ARGV)

local found = {}
for i, firing in ipairs(cjson.decode(firings)) do
  local it = call('HMGET', key('firing:', firing), 'workspace', 'request')
  found[i] = {state_of(firing, it[1], it[2]) or '', it[2] or ''}
end
return {'OK', found}
