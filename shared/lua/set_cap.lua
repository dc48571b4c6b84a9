-- Writes a limit's cap (an empty one: the limit is gone), ends its block, then fills what it freed. A cap that is
-- older than the one that stands changes nothing; an empty version is as old as that one.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, limit, cap, version, most = unpack(ARGV)

local stands = redis.call('HGET', key('versions'), limit) or redis.call('HGET', key('versions'), '') or '0'
if version == '' or tonumber(version) >= tonumber(stands) then
  redis.call('HSET', key('versions'), limit, version ~= '' and version or stands)
  if cap == '' then
    redis.call('HDEL', key('caps'), limit)
  else
    redis.call('HSET', key('caps'), limit, cap)
  end
  redis.call('ZREM', key('blocked'), limit)
  redis.call('HDEL', key('blocks'), limit)
  undrain(limit)
  wake(limit)
end
return {'OK', fill(tonumber(most))}
