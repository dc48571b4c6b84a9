-- Forgets an interactive stream. Returns {'OK', 1 if it was active}.
-- Needs: clock, silent.
local streams, places = unpack(KEYS)
local now_ms, stream = unpack(ARGV)

redis.call('HDEL', places, stream)
return {'OK', redis.call('ZREM', streams, stream)}
