-- Postgres said "full" where the gate saw room: the firing goes back to its place in line, and nothing is
-- filled under that limit for 1 s, doubling to 10 s while it goes on, so that disagreement is no hot loop.
-- Nothing is blocked if the request does not match, so that a repeated call does not block for longer.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, facts.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, limit, firing, request, most = unpack(ARGV)

local calm = false
-- Here: used, limits, places, heads, ways, line, seldom, drop, fill.

local workspace, lane, score, forced, title, holder, worker = facts_of(firing)
if holder == request then
  local last = cjson.decode(call('HGET', key('blocks'), limit) or '{"ms":0,"over":0}')
  local ms = now - last.over > 20000 and 1000 or math.min(10000, last.ms * 2)
  call('HSET', key('blocks'), limit, cjson.encode({ms = ms, over = now + ms}))
  call('ZADD', key('blocked'), 'GT', now + ms, limit)
  drop(firing, workspace, lane, worker)
  know(firing, workspace, lane, score, forced, title)
  into_line(firing, workspace, lane, score)
end
return {'OK', fill(tonumber(most))}
