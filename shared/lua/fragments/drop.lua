-- Gives back whatever a firing holds (`worker` is '' or nil for a reservation), and lets those who waited for it
-- have their chance.
local function drop(firing, workspace, lane, worker)
  redis.call('ZREM', key('holders'), firing)
  if worker and worker ~= '' then
    redis.call('SREM', key('leases:' .. worker), firing)
  else
    redis.call('ZREM', key('reserved'), firing)
  end
  for _, limit in ipairs(limits_of(workspace, lane)) do
    redis.call('SREM', key('used:' .. limit), firing)
    wake(limit)
  end
end

-- What only a lease has.
local function unlease(firing)
  redis.call('HDEL', key('firing:' .. firing), 'request', 'worker', 'abort')
end

local function forget(firing)
  redis.call('DEL', key('firing:' .. firing))
end
