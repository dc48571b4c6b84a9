-- Names reservations that are older than some time and still unclaimed: their message may be lost.
-- Returns {'OK', reservations}: pairs of firing and title.
-- Needs: epoch, clock, facts.
local gate = unpack(KEYS)
local epoch, now_ms, start_lease_ms, older_than_ms, most = unpack(ARGV)

local found = {}
-- A reservation is as old as its start lease has run; there are no more of them than processes that can take them.
local before = now - older_than_ms + start_lease_ms
for _, firing in ipairs(call('SMEMBERS', key('reserved'))) do
  if tonumber(call('ZSCORE', key('holders'), firing) or 0) <= before then
    local _, _, _, _, title = facts_of(firing)
    found[#found + 1] = {firing, title or ''}
  end
  if #found == tonumber(most) then break end
end
return {'OK', found}
