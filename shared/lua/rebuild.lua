-- Loads a part of Postgres's state under an epoch that is not yet current; the last part makes it so.
-- Parts: caps as of a version, workers (id, processes, ms to live), leases (as for seat), waiting (as for offer).
-- Nobody else can see them before `done`. Returns {'OK'}; {'REFUSED', current} when the epoch is not above the
-- gate's own; {'LOST'} when parts before this one are missing: the memory was lost meanwhile.
-- Needs: clock.
local gate = unpack(KEYS)
local epoch, now_ms, part, caps, version, workers, leases, waiting, done = unpack(ARGV)

local current = tonumber(redis.call('GET', gate .. ':epoch') or -1)
if current >= tonumber(epoch) then return {'REFUSED', current} end
local function key(name) return gate .. ':' .. epoch .. ':' .. name end
local function know(it)
  redis.call('HSET', key('firing:' .. it[1]), 'workspace', it[2], 'lane', it[3], 'score', it[4],
    'forced', it[5], 'title', it[6])
end
-- A part may be repeated, for its answer may have been lost.
local loaded = tonumber(redis.call('GET', key('loading')) or 0)
if loaded ~= tonumber(part) and loaded ~= part - 1 then return {'LOST'} end
redis.call('SET', key('loading'), part)
for limit, cap in pairs(cjson.decode(caps)) do redis.call('HSET', key('caps'), limit, cap) end
if version ~= '' then redis.call('HSET', key('versions'), '', version) end
for _, it in ipairs(cjson.decode(workers)) do
  redis.call('ZADD', key('workers'), now + it[3], it[1])
  redis.call('HSET', key('capacity'), it[1], it[2])
end
for _, it in ipairs(cjson.decode(leases)) do
  know(it)
  redis.call('HSET', key('firing:' .. it[1]), 'request', it[7], 'worker', it[8])
  redis.call('ZADD', key('holders'), now + it[9], it[1])
  redis.call('SADD', key('leases:' .. it[8]), it[1])
  redis.call('SADD', key('used:workspace:' .. it[2]), it[1])
  if it[3] ~= '' then redis.call('SADD', key('used:lane:' .. it[3]), it[1]) end
end
for _, it in ipairs(cjson.decode(waiting)) do
  know(it)
  if it[5] == '1' then
    redis.call('ZADD', key('forced'), it[4], it[1])
  else
    redis.call('ZADD', key('queue:' .. it[2] .. ':' .. it[3]), it[4], it[1])
    redis.call('ZADD', key('lanes:' .. it[2]), 'LT', it[4], it[3])
    redis.call('SADD', key('queues'), it[2] .. ':' .. it[3])
    redis.call('ZADD', key('ready'), 'NX', 0, it[2])
  end
end
if done == '1' then
  redis.call('DEL', key('loading'))
  redis.call('SET', gate .. ':epoch', epoch)
end
return {'OK'}
