-- Streams that were not renewed in time are forgotten: their client crashed, or has gone.
for _, silent in ipairs(redis.call('ZRANGEBYSCORE', streams, '-inf', now)) do
  redis.call('ZREM', streams, silent)
  redis.call('HDEL', places, silent)
end
