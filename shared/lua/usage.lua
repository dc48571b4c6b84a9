-- Counts the gate: cap, usage and waiters per limit, all waiters, reservations, processes that live.
-- Returns {'OK', limits, waiting, reserved, processes}: limits is a list of name, cap, used, waiting.
-- Needs: epoch, clock, used.
local gate = unpack(KEYS)
local epoch, now_ms = unpack(ARGV)

local limits, processes, before = {}, 0, {}
local waiting = call('ZCARD', key('forced'))
local function wait(limit, count) before[limit] = (before[limit] or 0) + count end
for _, name in ipairs(call('SMEMBERS', key('queues'))) do
  local workspace, lane = string.match(name, '^([^:]*):(.*)$')
  local count = call('ZCARD', key('queue:' .. name))
  waiting = waiting + count
  wait('workspace:' .. workspace, count)
  if lane ~= '' then wait('lane:' .. lane, count) end
end
local caps = call('HGETALL', key('caps'))
for i = 1, #caps, 2 do
  local limit, drained = caps[i], call('ZCARD', key('drained:' .. caps[i]))
  waiting = waiting + drained
  if limit ~= 'fleet' then wait(limit, drained) end
  limits[#limits + 1] = {limit, tonumber(caps[i + 1]), used_under(limit), before[limit] or 0}
end
for _, limit in ipairs(limits) do
  if limit[1] == 'fleet' then limit[4] = waiting end
end
for _, worker in ipairs(call('ZRANGEBYSCORE', key('workers'), now, '+inf')) do
  processes = processes + tonumber(call('HGET', key('capacity'), worker) or 0)
end
return {'OK', limits, waiting, call('SCARD', key('reserved')), processes}
