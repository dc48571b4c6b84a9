-- Gives back whatever a firing holds, and lets those who waited for it have their chance.
local function drop(firing)
  local it = redis.call('HMGET', key('firing:' .. firing), 'workspace', 'lane', 'worker')
  redis.call('ZREM', key('holders'), firing)
  redis.call('ZREM', key('reserved'), firing)
  if it[3] and it[3] ~= '' then redis.call('SREM', key('leases:' .. it[3]), firing) end
  redis.call('HDEL', key('firing:' .. firing), 'request', 'worker', 'abort')
  for _, limit in ipairs(limits_of(it[1], it[2])) do
    redis.call('SREM', key('used:' .. limit), firing)
    wake(limit)
  end
end

local function forget(firing)
  redis.call('DEL', key('firing:' .. firing))
end
