-- A limit's usage is the number of distinct members of a set, so that nothing done twice can move it. Under the
-- fleet is everybody who holds.
local function used_under(limit)
  if limit == 'fleet' then return call('ZCARD', key('holders')) end
  return call('SCARD', key('used:', limit))
end
