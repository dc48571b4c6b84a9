-- Loads a part of Postgres's state under an epoch that is not yet current; the last part makes it so.
-- Parts: caps as of a version, workers (id, processes, ms to live), leases (as for seat), waiting (as for offer).
-- Nobody else can see them before `done`. Returns {'OK'}; {'REFUSED', current} when the epoch is not above the
-- gate's own; {'LOST'} when parts before this one are missing: the memory was lost meanwhile.
-- Needs: clock.
local gate = unpack(KEYS)
local epoch, now_ms, part, caps, version, workers, leases, waiting, done = unpack(ARGV)

local call = redis.call
local current = tonumber(call('GET', gate .. ':epoch') or -1)
if current >= tonumber(epoch) then return {'REFUSED', current} end
local function key(name) return gate .. ':' .. epoch .. ':' .. name end
-- Here: parts.
-- A part may be repeated, for its answer may have been lost.
local loaded = tonumber(call('GET', key('loading')) or 0)
if loaded ~= tonumber(part) and loaded ~= part - 1 then return {'LOST'} end
call('SET', key('loading'), part)
for limit, cap in pairs(cjson.decode(caps)) do call('HSET', key('caps'), limit, cap) end
if version ~= '' then call('HSET', key('versions'), '', version) end
for _, it in ipairs(cjson.decode(workers)) do
  call('ZADD', key('workers'), now + it[3], it[1])
  call('HSET', key('capacity'), it[1], it[2])
end
local learned = {}
for _, it in ipairs(cjson.decode(leases)) do
  learned[#learned + 1], learned[#learned + 2] = it[1], cmsgpack.pack(unpack(it, 2, 8))
  call('ZADD', key('holders'), now + it[9], it[1])
  call('SADD', key('leases:' .. it[8]), it[1])
  call('SADD', key('used:workspace:' .. it[2]), it[1])
  if it[3] ~= '' then call('SADD', key('used:lane:' .. it[3]), it[1]) end
end
local queues, forced = {}, {}
for _, it in ipairs(cjson.decode(waiting)) do
  learned[#learned + 1], learned[#learned + 2] = it[1], cmsgpack.pack(unpack(it, 2, 6))
  local comers = forced
  if it[5] ~= '1' then
    local name = it[2] .. ':' .. it[3]
    comers = queues[name] or {workspace = it[2], lane = it[3], score = it[4]}
    comers.score = math.min(comers.score, it[4])
    queues[name] = comers
  end
  comers[#comers + 1], comers[#comers + 2] = it[4], it[1]
end
call_in_parts('HSET', key('firings'), learned)
call_in_parts('ZADD', key('forced'), forced)
for name, comers in pairs(queues) do
  call_in_parts('ZADD', key('queue:' .. name), comers)
  call('ZADD', key('lanes:' .. comers.workspace), 'LT', comers.score, comers.lane)
  call('SADD', key('queues'), name)
  call('ZADD', key('ready'), 'NX', 0, comers.workspace)
end
if done == '1' then
  call('DEL', key('loading'))
  call('SET', gate .. ':epoch', epoch)
end
return {'OK'}
