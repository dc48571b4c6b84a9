-- Writes a limit's cap (an empty one: the limit is gone), ends its block, then fills what it freed. A cap that is
-- older than the one that stands changes nothing; an empty version is as old as that one.
-- Returns {'OK', reservations}.
-- Needs: epoch, clock, facts.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, limit, cap, version, most = unpack(ARGV)

local calm = false
-- Here: used, limits, places, heads, ways, line, seldom, fill.

local stands = call('HGET', key('versions'), limit) or call('HGET', key('versions'), '') or '0'
if version == '' or tonumber(version) >= tonumber(stands) then
  call('HSET', key('versions'), limit, version ~= '' and version or stands)
  if cap == '' then
    call('HDEL', key('caps'), limit)
  else
    call('HSET', key('caps'), limit, cap)
  end
  call('ZREM', key('blocked'), limit)
  call('HDEL', key('blocks'), limit)
  undrain(limit)
  wake(limit)
end
return {'OK', fill(tonumber(most))}
