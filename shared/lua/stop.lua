-- No fill under a limit for so long: more executes under it than its cap allows. Returns {'OK'}.
-- Needs: epoch, clock.
local gate = unpack(KEYS)
local epoch, now_ms, limit, for_ms = unpack(ARGV)

call('ZADD', key('blocked'), 'GT', now + for_ms, limit)
return {'OK'}
