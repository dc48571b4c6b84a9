-- Registers an interactive stream, or renews it, for so long; who does not renew is forgotten. Once however often.
-- An empty workspace means all of them. Returns {'OK'}, or {'FULL'} if so many others are active.
-- Needs: clock, silent.
local streams, places = unpack(KEYS)
local now_ms, stream, workspace, ttl_ms, most = unpack(ARGV)

if not redis.call('ZSCORE', streams, stream) and redis.call('ZCARD', streams) >= tonumber(most) then
  return {'FULL'}
end
redis.call('ZADD', streams, now + tonumber(ttl_ms), stream)
redis.call('HSET', places, stream, workspace)
return {'OK'}
