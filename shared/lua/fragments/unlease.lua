-- What only a lease has.
local function unlease(firing)
  call('HDEL', key('firing:', firing), 'request', 'worker', 'abort')
end
