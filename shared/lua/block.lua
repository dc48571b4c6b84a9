-- Postgres said "full" where the gate saw room: the firing goes back to its place in line, and nothing is
-- filled under that limit for 1 s, doubling to 10 s while it goes on, so that disagreement is no hot loop.
-- Nothing is blocked if the request does not match, so that a repeated call does not block for longer.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, limits, line, drop, fill.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, limit, firing, request, most = unpack(ARGV)

local it = redis.call('HMGET', key('firing:' .. firing), 'state', 'request', 'workspace', 'lane', 'score',
  'worker')
if it[1] == 'leased' and it[2] == request then
  local last = cjson.decode(redis.call('HGET', key('blocks'), limit) or '{"ms":0,"over":0}')
  local ms = now - last.over > 20000 and 1000 or math.min(10000, last.ms * 2)
  redis.call('HSET', key('blocks'), limit, cjson.encode({ms = ms, over = now + ms}))
  redis.call('ZADD', key('blocked'), 'GT', now + ms, limit)
  drop(firing, it[3], it[4], it[6])
  unlease(firing)
  into_line(firing, it[3], it[4], it[5])
end
return {'OK', fill(tonumber(most))}
