-- What is true of a firing is said once: it is leased where it has a request, reserved where it is among the
-- reservations, and waits otherwise.
local function state_of(firing, workspace, request)
  if request then return 'leased' end
  if not workspace then return nil end
  return call('SISMEMBER', key('reserved'), firing) == 1 and 'reserved' or 'waiting'
end
