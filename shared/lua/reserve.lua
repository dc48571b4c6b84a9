-- Takes a reservation for a run-now at once, or says what is in the way; never puts it in line.
-- Returns {'RESERVED'}, {'FULL', limit}, {'DRAINING', limit} or {'KNOWN', state}.
-- Needs: epoch, clock, limits.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, firing, workspace, lane, score, forced, title = unpack(ARGV)

local state = redis.call('HGET', key('firing:' .. firing), 'state')
if state then return {'KNOWN', state} end
local limit, why = in_the_way(workspace, lane, forced)
if limit then return {why, limit} end
redis.call('HSET', key('firing:' .. firing), 'workspace', workspace, 'lane', lane, 'score', score,
  'forced', forced, 'title', title)
hold(firing, 'reserved', now + start_lease_ms, '', '')
return {'RESERVED'}
